"""Learning-rate schedules, optimisers, the smoothed parameters, and the optimisers of pixels."""

from imgtrans_jax.optim.adam import Adam, Optax, Optimizer, RMSProp
from imgtrans_jax.optim.pixels import (
    LBFGS,
    GradientDescent,
    PixelAdam,
    PixelOptimizer,
    SmoothedDescent,
)
from imgtrans_jax.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    LinearDecay,
    Schedule,
    StepDecay,
)

__all__ = [
    "LBFGS", "Adam", "Constant", "Cosine", "Exponential", "GradientDescent", "LinearDecay",
    "Optax", "Optimizer", "PixelAdam", "PixelOptimizer", "RMSProp", "Schedule", "SmoothedDescent",
    "StepDecay",
]  # fmt: skip
