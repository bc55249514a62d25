"""Motion between frames."""

import numpy as np

from imgtrans_jax.data.sample_pictures import photograph
from imgtrans_jax.style import flow

PHOTOGRAPH = (photograph() / 255).astype(np.float32)


def test_what_the_camera_moved_is_found_and_moved_along():
    before, now = PHOTOGRAPH[100:260, 60:300], PHOTOGRAPH[102:262, 65:305]
    back, seen = flow.motion(before, now)
    np.testing.assert_allclose(np.median(back, axis=(0, 1)), [5, 2], atol=0.1)
    assert seen.mean() > 0.8
    inner = (slice(8, -8), slice(8, -8))
    apart = np.abs(flow.warped(before, back) - now)[inner]
    assert np.mean(apart) < 0.2 * np.mean(np.abs(before - now)[inner])


def test_what_was_hidden_has_not_been_seen():
    """A square of one part of a photograph moves over another."""
    ground, thing = PHOTOGRAPH[60:220, 100:340], PHOTOGRAPH[0:60, 200:260]
    frames = []
    for left in (60, 80):
        frame = ground.copy()
        frame[50:110, left : left + 60] = thing
        frames.append(frame)
    back, seen = flow.motion(*frames)
    came_out = seen[60:100, 62:78].mean()  # where the square was
    assert came_out < 0.4
    assert seen[:40].mean() > 0.9
    np.testing.assert_allclose(np.median(back[60:100, 90:130], axis=(0, 1)), [-20, 0], atol=1)
