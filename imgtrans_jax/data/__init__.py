"""Where pictures come from, how they are cut, and the deterministic stream of batches."""

from imgtrans_jax.data.augment import Cut
from imgtrans_jax.data.datasets import Data, Derived, Labelled, Paired, Unpaired
from imgtrans_jax.data.derived import Derivation, Edges, Grey, Holes, Lab, Smaller
from imgtrans_jax.data.labelled import (
    ClassFolders,
    Digits,
    LabelledSource,
    OpenMojiGroups,
    TfdsLabelled,
)
from imgtrans_jax.data.pairs import (
    OneSide,
    OpenMojiPairs,
    PairSource,
    Pix2PixPairs,
    SideBySide,
    TfdsPairs,
    TwoFolders,
)
from imgtrans_jax.data.sources import Folder, OpenMoji, Source, Tfds

__all__ = [
    "ClassFolders",
    "Cut",
    "Data",
    "Derivation",
    "Derived",
    "Digits",
    "Edges",
    "Folder",
    "Grey",
    "Holes",
    "Lab",
    "Labelled",
    "LabelledSource",
    "OneSide",
    "OpenMoji",
    "OpenMojiGroups",
    "OpenMojiPairs",
    "PairSource",
    "Paired",
    "Pix2PixPairs",
    "SideBySide",
    "Smaller",
    "Source",
    "Tfds",
    "TfdsLabelled",
    "TfdsPairs",
    "TwoFolders",
    "Unpaired",
]
