"""Pictures that are optimised: style transfer, Deep Dream, experiments."""

from imgtrans_jax.style.deepdream import DeepDream
from imgtrans_jax.style.experiments import BrushStrokes, ContentReconstruction, WeightRatios
from imgtrans_jax.style.gatys import Gatys, by_depth, equal
from imgtrans_jax.style.top_patches import TopPatches

__all__ = [
    "BrushStrokes",
    "ContentReconstruction",
    "DeepDream",
    "Gatys",
    "TopPatches",
    "WeightRatios",
    "by_depth",
    "equal",
]
