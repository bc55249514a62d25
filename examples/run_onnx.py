"""Runs an exported network on a picture with ONNX Runtime alone; needs onnxruntime, numpy, pillow.

python examples/run_onnx.py painters.onnx photo.jpg out.png [wave:0.6,scream:0.4]
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

file, picture, out, *mixture = sys.argv[1:]
session = onnxruntime.InferenceSession(file)
with Image.open(picture, formats=["PNG", "JPEG", "WEBP"]) as opened:
    pixels = np.asarray(opened.convert("RGB"), np.float32) / 127.5 - 1
inputs = {"image": pixels.transpose(2, 0, 1)[None]}
told = session.get_modelmeta().custom_metadata_map
if "looks" in told:
    names = json.loads(told["looks"])
    asked = dict(f"{part}:1".split(":")[:2] for part in (mixture or names)[0].split(","))
    inputs["looks"] = np.array([[float(asked.get(name, 0)) for name in names]], np.float32)
result = np.asarray(session.run(["result"], inputs)[0])
levels = np.rint((result[0].transpose(1, 2, 0).clip(-1, 1) + 1) * 127.5).astype(np.uint8)
Image.fromarray(levels).save(out)
