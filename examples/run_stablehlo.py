"""Runs an exported network on a picture with JAX alone; needs jax, flatbuffers, numpy, pillow.

python examples/run_stablehlo.py horse2zebra.stablehlo horse.jpg zebra.png [weights of the looks]
"""

import sys
from pathlib import Path

import jax.export
import numpy as np
from PIL import Image

file, picture, out, *weights = sys.argv[1:]
network = jax.export.deserialize(bytearray(Path(file).read_bytes()))
with Image.open(picture, formats=["PNG", "JPEG", "WEBP"]) as opened:
    pixels = np.asarray(opened.convert("RGB"), np.float32) / 127.5 - 1
inputs = [pixels.transpose(2, 0, 1)[None]]
if len(network.in_avals) > 1:
    count = network.in_avals[1].shape[1]
    inputs += [np.array([list(map(float, weights)) or np.eye(count)[0]], np.float32)]
result = np.asarray(network.call(*inputs))
levels = np.rint((result[0].transpose(1, 2, 0).clip(-1, 1) + 1) * 127.5).astype(np.uint8)
Image.fromarray(levels).save(out)
