"""Pictures on their way from files to files: time left, what is left out, what a stop leaves, and
where work goes on.
"""

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from imgtrans_jax.io import images
from imgtrans_jax.io.results import LeftOutError
from imgtrans_jax.runtime import console
from imgtrans_jax.runtime.progress import Pace
from imgtrans_jax.runtime.signals import Stop
from imgtrans_jax.style import stylize, workspace
from imgtrans_jax.style import transfer as stylisation
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.style.workspace import Interrupted, Job, Made, Progress, resolve_paths, work
from imgtrans_jax.types import UserError

# ---------------------------------------------------------------------------------------- time left

STYLE = [((64, 96), 100), ((128, 192), 100), ((256, 384), 100)]
DREAM = [((round(512 * 1.3**-i), round(768 * 1.3**-i)), 10) for i in (4, 3, 2, 1, 0)]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "plan",
    [STYLE, DREAM, [((400, 400), 30)], STYLE[::-1]],
    ids=["style", "dream", "one", "backwards"],
)
@pytest.mark.parametrize("slower", [1.0, 3.0], ids=["quiet", "another_program_begins"])
def test_time_left_is_near_the_truth_after_a_few_steps_of_each_size(plan, slower):
    """Steps cost what their pixels cost, with some noise; the first of each size is slow, and so is
    what comes before it.
    """
    rng, clock = np.random.default_rng(0), Clock()
    progress = Progress(plan, None, clock)
    said = []  # (size, step, when, seconds left)
    for number, ((h, w), steps) in enumerate(plan):
        clock.now += 20  # targets, programs
        for step in range(1, steps + 1):
            busy = slower if number == len(plan) - 1 else 1
            clock.now += busy * h * w * 1e-5 * rng.uniform(0.9, 1.1) * (8 if step == 1 else 1)
            progress.each(step)
            said.append((number, step, clock.now, progress.pace.left()))
        progress.ended()
    for number, step, when, left in said:
        if step < 3:
            assert left is None
        # What no one can know before: set-up, slow first steps, and another program's load.
        later = [20 + 7 * h * w * 1e-5 for (h, w), _ in plan[number + 1 :]]
        load = (
            (slower - 1) * plan[-1][0][0] * plan[-1][0][1] * 1e-5 * plan[-1][1]
            if number < len(plan) - 1
            else 0
        )
        true = clock.now - when - sum(later) - load * (1 + 7 / plan[-1][1])
        if step >= 5:
            assert left == pytest.approx(true, rel=0.2, abs=0.5)


def test_the_pace_is_that_of_the_last_parts():
    clock = Clock()
    pace = Pace(100, clock)
    for seconds in [50.0, 1.0, 1.0, 1.0]:
        assert pace.left() is None
        clock.now += seconds
        pace.did(1)
    assert pace.left() == pytest.approx(96)
    for _ in range(20):
        clock.now += 3
        pace.did(1)
    assert pace.left() == pytest.approx(3 * 76)


def test_lines_of_progress(capsys, tmp_path):
    clock = Clock()
    progress = Progress(STYLE, None, clock)
    for step in range(1, 11):
        clock.now += 0.7
        progress.each(step)
    progress(10, {"content": 0.5, "total": 1.0}, np.zeros((1, 64, 96, 3)))
    left = console.duration(0.7 * (90 + 400 + 1600))
    assert (
        capsys.readouterr().out
        == f"96x64 (size 1 of 3)  step 10/100  0.7 s/step  {left} left  content 0.5\n"
    )
    progress.ended()
    clock.now += 60
    progress.each(1)
    progress(1, {"content": 0.5}, np.zeros((1, 128, 192, 3)))
    # too early to say
    assert capsys.readouterr().out == "192x128 (size 2 of 3)  step 1/100  content 0.5\n"


# ------------------------------------------------------------------------------------------ folders


def picture(path: Path, shade: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_picture(path, np.full((20, 24, 3), shade, np.uint8))
    return path


@pytest.fixture
def frames(tmp_path):
    """A folder of five pictures; the number of each is its shade."""
    for number in range(1, 6):
        picture(tmp_path / "in" / f"{number}.png", number)
    return tmp_path / "in"


def brighter(seen: np.ndarray, job: Job) -> Made:
    return Made(seen.astype(np.float32) / 255 + 0.2)


def shades(folder: Path) -> dict[str, int]:
    return {path.name: int(images.read_picture(path)[0, 0, 0]) for path in sorted(folder.iterdir())}


def test_one_bad_picture_and_one_bad_file_are_named_and_the_others_done(
    frames, monkeypatch, capsys
):
    (frames / "2.png").write_text("no picture")
    (frames / "3.png").unlink()
    long = picture(frames / ("x" * 247 + ".png"), 3)
    out, write = frames.parent / "out", images.write_picture

    def full(path, *rest):
        if Path(path).name == "4.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, *rest)

    pairs = resolve_paths(frames, out, "look")
    monkeypatch.setattr(images, "write_picture", full)
    with pytest.raises(LeftOutError, match="3 of 5 pictures were written") as left_out:
        work(brighter, frames, out, pairs, Stop())
    assert left_out.value.code == 1
    assert "2.png is no picture" in str(left_out.value)
    assert f"{out / '4.png'} could not be written (No space left on device)." in str(left_out.value)
    assert shades(out) == {"1.png": 52, "5.png": 56, long.name: 54}
    assert capsys.readouterr().out.count("Left out:") == 2  # at once, too


def test_a_folder_goes_on_where_it_was_and_is_made_anew_when_asked(frames, capsys):
    out = frames.parent / "out"
    pairs = resolve_paths(frames, out, "look")
    before = {}

    def noting(seen, job):
        before[job.target.name] = job.before and job.before[1].name
        return brighter(seen, job)

    picture(out / "3.png", 200)
    picture(out / "1.png", 201)
    assert [path.name for path in work(noting, frames, out, pairs, Stop())] == [
        "2.png",
        "4.png",
        "5.png",
    ]
    assert before == {"2.png": "1.png", "4.png": "3.png", "5.png": "4.png"}
    assert f"2 of 5 results are in {out} already and stay" in capsys.readouterr().out
    assert shades(out)["1.png"] == 201
    work(noting, frames, out, pairs, Stop(), overwrite=True)
    assert shades(out) == {f"{n}.png": n + 51 for n in range(1, 6)}
    assert work(noting, frames, out, pairs, Stop()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_stopped_folder_keeps_what_is_done_and_not_what_is_half_done(frames, overwrite):
    out, stop = frames.parent / "out", Stop()

    def stopping(seen, job):
        if job.source.name == "3.png":
            stop.signal = signal.SIGTERM
            return Made(np.zeros((20, 24, 3), np.float32), "--more")
        return brighter(seen, job)

    again = (
        "the same command without --overwrite goes on" if overwrite else "the same command goes on"
    )
    with pytest.raises(Interrupted, match=f"Stopped: 2 of 5 are done; {again}") as stopped:
        work(stopping, frames, out, resolve_paths(frames, out, "look"), stop, overwrite)
    assert stopped.value.code == 143
    assert sorted(shades(out)) == ["1.png", "2.png"]


def test_a_stopped_picture_is_written_and_how_to_go_on_is_said(frames):
    stop = Stop()
    stop.signal = signal.SIGINT
    target = frames.parent / "my out.jpg"
    pairs = resolve_paths(frames / "1.png", target, "look")
    with pytest.raises(Interrupted) as stopped:
        work(
            lambda *given: Made(brighter(*given).picture, "--config.start=x"),
            frames / "1.png",
            target,
            pairs,
            stop,
        )
    assert stopped.value.code == 130
    wanted = (
        f"{target} is the picture so far. To go on from it, add to the same command: "
        "--config.start=x --out="
    )
    assert f"{wanted}'{frames.parent}/my out_2.jpg'" in str(stopped.value)
    assert shades(frames.parent / "in")["1.png"] == 1
    assert images.read_picture(target)[0, 0, 0] == pytest.approx(52, abs=1)


def test_a_preview_takes_no_other_files_place(frames, capsys):
    out = frames.parent / "out"
    picture(frames / "1.preview.png", 9)
    picture(out / "2.preview.png", 8)
    seen = {}

    def noting(what, job):
        seen[job.source.name] = job.preview
        return brighter(what, job)

    work(noting, frames, out, resolve_paths(frames, out, "look"), Stop())
    assert seen["1.png"] is None
    assert seen["2.png"] is None
    assert seen["3.png"] == out / "3.preview.png"
    assert shades(out)["2.preview.png"] == 8
    assert shades(out)["1.preview.png"] == 60
    assert (
        f"no preview this time, for {out / '2.preview.png'} is another file"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out", "deep/out.png"])
def test_a_result_that_is_there_is_named_before_any_work(frames, name):
    out = frames.parent / name
    there = picture(out if out.suffix else out / "1_look.png", 77)
    with pytest.raises(UserError, match=rf"{there.name} is there already; add `overwrite`"):
        resolve_paths(frames / "1.png", out, "look")
    assert resolve_paths(frames / "1.png", out, "look", overwrite=True) == [
        (frames / "1.png", there)
    ]
    assert images.read_picture(there)[0, 0, 0] == pytest.approx(77, abs=1)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("link", ["same", "soft", "hard"])
def test_a_style_or_mask_is_never_the_result(frames, link, overwrite):
    style, out = picture(frames.parent / "painting.png"), frames.parent / "out.png"
    if link == "same":
        out = style
    elif link == "soft":
        out.symlink_to(style)
    else:
        os.link(style, out)
    with pytest.raises(UserError, match="which would be overwritten"):
        resolve_paths(frames / "1.png", out, "look", ["embedded", style], overwrite)
    with pytest.raises(UserError, match="which would be overwritten"):  # one of a folder's
        resolve_paths(frames, frames.parent, "look", [picture(frames.parent / "2.png")], overwrite)


def test_a_name_that_becomes_too_long_is_cut(frames):
    long = picture(frames / ("x" * 247 + ".png"))
    ((_, target),) = resolve_paths(long, frames.parent / "out", "painting" * 40)
    assert len(target.name) == 255
    assert workspace.preview_beside(target).name.endswith(".preview.png")
    assert len(workspace.preview_beside(target).name) == 255


# -------------------------------------------------------------------------------------------- masks


def half(height: int, width: int, left: bool) -> np.ndarray:
    mask = np.zeros((height, width, 1), np.float32)
    mask[:, : width // 2] = left
    mask[:, width // 2 :] = not left
    return mask


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ([half(40, 60, True), half(40, 60, False)], ""),
        ([half(80, 120, True), half(20, 30, False)], ""),  # sizes do not matter
        (
            [half(40, 60, True)],
            "50% of the picture are in no mask: no style goes there, and the content stays.",
        ),
        (
            [half(40, 60, True), half(40, 60, True) + half(40, 60, False)],
            "50% of the picture are in several masks",
        ),
        (
            [half(60, 60, True), half(40, 60, False)],
            "The mask a.png is 60x60, of another form than the picture: it is stretched",
        ),
        (
            [
                np.linspace([[0]], [[1]], 40) * np.ones((1, 60, 1)),
                np.linspace([[1]], [[0]], 40) * np.ones((1, 60, 1)),
            ],
            "",
        ),
    ],
    ids=["whole", "sizes", "hole", "overlap", "form", "soft"],
)
def test_what_becomes_of_masks_is_said(masks, words, capsys):
    stylisation._say_of_masks(
        ["a.png", "b.png"][: len(masks)], [m.astype(np.float32) for m in masks], 40, 60
    )
    said = capsys.readouterr().out
    assert words in said
    assert bool(words) == bool(said)


@pytest.mark.parametrize("kind", ["black", "transparent", "dark"])
def test_a_mask_that_is_nowhere_white_is_refused(tmp_path, kind):
    mask = np.zeros((8, 8, 4), np.uint8)
    mask[..., 3] = 0 if kind == "transparent" else 255
    mask[..., :3] = {"black": 0, "dark": 60, "transparent": 255}[kind]
    images.write_picture(tmp_path / "mask.png", mask)
    with pytest.raises(UserError, match=r"mask\.png is nowhere white"):
        stylisation._mask(tmp_path / "mask.png", "mask.png")


SAMPLES = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)


def test_the_sample_may_have_a_name_which_is_not_written_over(tmp_path, monkeypatch):
    made = []

    def stylise(recipe, content, styles, out, **options):
        made.append(out)
        return [out]

    monkeypatch.setattr(stylize, "stylize", stylise)
    stylize.stylize_samples(Gatys(), *SAMPLES, tmp_path / "out")
    stylize.stylize_samples(Gatys(), *SAMPLES, tmp_path / "out" / "mine.png")
    assert made == [tmp_path / "out" / "sample_result.png", tmp_path / "out" / "mine.png"]
    made[0].write_bytes(b"stopped")
    with pytest.raises(UserError, match=r"sample_result\.png is there already; add `overwrite`"):
        stylize.stylize_samples(Gatys(), *SAMPLES, tmp_path / "out")
    made[1].write_bytes(b"finished")
    with pytest.raises(UserError, match=r"mine\.png is there already; add `overwrite`"):
        stylize.stylize_samples(Gatys(), *SAMPLES, made[1])
    photograph = tmp_path / "out" / "sample_photograph.png"
    photograph.write_bytes(b"mine")
    again = tmp_path / "out" / "again.png"
    assert stylize.stylize_samples(Gatys(), *SAMPLES, again) == [again]
    assert photograph.read_bytes() == b"mine"
    all_three = stylize.stylize_samples(Gatys(), *SAMPLES, made[1], overwrite=True)
    assert all_three == [made[1], photograph, tmp_path / "out" / "sample_painting.png"]
    assert photograph.read_bytes() != b"mine"


def test_sizes_that_are_left_out_are_said(capsys):
    transfer = object.__new__(stylisation.StyleTransfer)
    transfer.recipe = Gatys(scales=(0.25, 0.5, 1.0), steps=(1, 2, 3))
    assert transfer._plan(150, 200, warm=False) == [((75, 100), 2), ((150, 200), 3)]
    assert "At 200x150 only the last 2 of 3 sizes are worked" in capsys.readouterr().out


@pytest.mark.parametrize("weights", [[float("nan")], [float("inf")], [-1.0], [0.0]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(UserError, match="Style weights must be numbers"):
        stylisation._check(Gatys(), ["a.png"], weights, [])
    if not np.isfinite(weights[0]):
        with pytest.raises(UserError, match="must be finite"):
            stylisation._check(Gatys(content_weight=weights[0]), ["a.png"], [], [])
