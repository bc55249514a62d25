"""Optical flow: where each pixel of a frame was in the frame before, by OpenCV."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import numpy as np

OPENCV = "cv2"


class Motion(NamedTuple):
    """From a frame back to the one before.

    Attributes:
        flow: (H, W, 2) float32, right and down: pixel (x, y) was at (x, y) + flow in the frame
            before.
        seen: (H, W, 1) float32, 1 where it was seen there, 0 where it has come into view or lies at
            the edge of what moves.
    """

    flow: np.ndarray
    seen: np.ndarray


def installed() -> bool:
    """Whether there is an OpenCV to find motion with."""
    return importlib.util.find_spec(OPENCV) is not None


def motion(before: np.ndarray, now: np.ndarray) -> Motion:
    """What moved how far between two frames: DIS flow (Kroeger et al. 2016), found both ways; where
    the two do not agree, a pixel was hidden before (the tests of Ruder et al. 2016).

    Args:
        before: (H, W, 3) in [0, 1].
        now: (H, W, 3) in [0, 1].

    Returns:
        The motion from `now` back to `before`.
    """
    import cv2

    gray = [
        cv2.cvtColor((255 * frame).round().astype(np.uint8), cv2.COLOR_RGB2GRAY)
        for frame in (before, now)
    ]
    nothing = np.zeros((*gray[0].shape, 2), np.float32)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    back = dis.calc(gray[1], gray[0], nothing.copy())
    there = warped(dis.calc(gray[0], gray[1], nothing), back)
    apart, far = (np.sum(np.square(x), axis=2) for x in (back + there, back))
    agree = apart <= 0.01 * (far + np.sum(np.square(there), axis=2)) + 0.5
    slopes = sum(np.sum(np.square(slope), axis=2) for slope in np.gradient(back, axis=(0, 1)))
    smooth = slopes <= 0.01 * far + 0.002
    return Motion(back, (agree & smooth)[..., None].astype(np.float32))


def warped(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A picture moved along: at each pixel what lies where its flow points.

    Args:
        picture: (H, W, C) float32.
        flow: (H, W, 2), see `Motion`.

    Returns:
        (H, W, C) float32; beyond the picture its edge is repeated.
    """
    import cv2

    height, width = flow.shape[:2]
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height))
    return cv2.remap(
        picture,
        across + flow[..., 0],
        (down + flow[..., 1]).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
