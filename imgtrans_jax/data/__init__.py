"""Where pictures come from, how they are cut, and the deterministic stream of batches."""

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.captions import CaptionFolder, CaptionSource, OpenMojiCaptions
from imgtrans_jax.data.datasets import (
    Captioned,
    Data,
    Labelled,
    Mixed,
    OneDomain,
    Paired,
    SelfPaired,
    Unpaired,
)
from imgtrans_jax.data.derived import Derivation, Downscale, Edges, Gray, Inpaint, Lab
from imgtrans_jax.data.digits import DigitStyle
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
    ShiftedPairs,
    SideBySide,
    TfdsPairs,
    TwoFolders,
)
from imgtrans_jax.data.sources import Folder, OpenMoji, Source, Tfds

__all__ = [
    "CaptionFolder",
    "CaptionSource",
    "Captioned",
    "ClassFolders",
    "Data",
    "Derivation",
    "DigitStyle",
    "Digits",
    "Downscale",
    "Edges",
    "Folder",
    "Gray",
    "Inpaint",
    "Lab",
    "Labelled",
    "LabelledSource",
    "Mixed",
    "OneDomain",
    "OneSide",
    "OpenMoji",
    "OpenMojiCaptions",
    "OpenMojiGroups",
    "OpenMojiPairs",
    "PairSource",
    "Paired",
    "Pix2PixPairs",
    "Preprocess",
    "SelfPaired",
    "ShiftedPairs",
    "SideBySide",
    "Source",
    "Tfds",
    "TfdsLabelled",
    "TfdsPairs",
    "TwoFolders",
    "Unpaired",
]
