"""Pictures with texts: names of drawings, folders with captions, colours, bags of words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.captions import HUES, OpenMojiCaptions, color_word, turned
from imgtrans_jax.data.datasets import Captioned
from imgtrans_jax.io.words import encoded, places_of, words_of
from imgtrans_jax.types import UserError


def test_drawings_have_their_names_without_colours():
    train, test = OpenMojiCaptions().open(64, 3)
    captions = [train[i][1] for i in range(len(train))]
    assert "smiling cat face with open mouth" in captions
    assert len(train) + len(test) > 1500
    assert train[0][0].shape == (64, 64, 3)


def test_the_colour_is_the_pictures_own_and_hues_are_turned_in_training_alone():
    data = Captioned(OpenMojiCaptions(), Preprocess(64, 64, flip=False), recolor=True)
    stream = data.open().streams[0]
    number = next(i for i in range(len(stream.train)) if stream.train[i][1] == "grinning face")
    as_it_is = stream.prepare(stream.train[number], None)
    np.testing.assert_array_equal(as_it_is["y"], encoded(["yellow grinning face"], 16384)[0])
    seen = set()
    for seed in range(20):
        batch = stream.prepare(stream.train[number], np.random.default_rng(seed))
        picture = ((batch["x"] + 1) * 127.5).round().astype(np.uint8)
        seen.add(color_word(picture))
        said = f"{color_word(picture)} grinning face"
        np.testing.assert_array_equal(batch["y"], encoded([said], 16384)[0])
    assert len(seen) > 3


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 0, 0), "red"),
        ((255, 140, 0), "orange"),
        ((255, 225, 0), "yellow"),
        ((0, 200, 0), "green"),
        ((0, 0, 255), "blue"),
        ((150, 0, 255), "purple"),
        ((255, 0, 150), "pink"),
        ((90, 90, 90), ""),
        ((255, 255, 255), ""),
    ],
)
def test_colours_by_name(rgb, name):
    picture = np.full((8, 8, 3), 255, np.uint8)
    picture[2:6, 2:6] = rgb
    assert color_word(picture) == name


def test_hardly_any_colour_is_none():
    picture = np.full((10, 10, 3), 255, np.uint8)
    picture[0, 0] = (255, 0, 0)
    assert color_word(picture) == ""


@given(st.floats(0, 1))
def test_black_and_white_stay_when_hues_are_turned(by):
    picture = np.zeros((1, 3, 3), np.uint8)
    picture[0, 1], picture[0, 2] = 255, (255, 0, 0)
    found = turned(picture, by)
    np.testing.assert_array_equal(found[:, :2], picture[:, :2])
    assert found[0, 2].max() == 255
    assert found[0, 2].min() == 0


def test_a_folder_of_pictures_with_texts(tmp_path):
    for name in ("red_ball", "cat", "two cats"):
        Image.new("RGB", (16, 16), "red").save(tmp_path / f"{name}.png")
    (tmp_path / "cat.txt").write_text("A small CAT, and a hat!", encoding="utf-8")
    data = Captioned(str(tmp_path), Preprocess(16, 16))
    stream = data.open().streams[0]
    found = {stream.train[i][1] for i in range(3)}
    assert found == {"red_ball", "A small CAT, and a hat!", "two cats"}
    assert stream.test is stream.train
    batch = stream.prepare(stream.train[0], None)
    assert batch["y"].shape == (16384,)
    said = Captioned(str(tmp_path), Preprocess(16, 16), recolor=True).open().streams[0]
    index = next(i for i in range(3) if said.train[i][1] == "red_ball")
    for seed in range(5):  # the colour that the picture has now, and not that of its file's name
        batch = said.prepare(said.train[index], np.random.default_rng(seed))
        color = color_word(((batch["x"] + 1) * 127.5).round().astype(np.uint8))
        np.testing.assert_array_equal(batch["y"], encoded([f"{color} ball"], 16384)[0])
    (tmp_path / "cat.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match=r"cat\.txt cannot be read as UTF-8"):
        data.open()


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match="RGB"):
        Captioned(channels=1).open()
    with pytest.raises(UserError, match="recolor needs 3"):
        Captioned(recolor=True, channels=1).open()
    with pytest.raises(UserError, match="1 or more"):
        Captioned(words=0).open()


def test_words_of_a_text():
    assert words_of("The RED_ball with a ball, Über-cool") == ["red", "ball", "über", "cool"]
    assert words_of("of the") == []
    assert words_of("cafe\u0301 Straße") == words_of("CAFÉ strasse") == ["café", "strasse"]
    assert words_of("हिन्दी ❤️") == ["हिन्दी"]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_bags_of_words_have_length_one_and_no_order(texts):
    found = encoded(texts, 64)
    for text, row in zip(texts, found, strict=True):
        lengths = np.linalg.norm(row)
        assert np.isclose(lengths, 1, atol=1e-6) if words_of(text) else lengths == 0
        again = encoded([" ".join(reversed(words_of(text)))], 64)[0]
        np.testing.assert_array_equal(row, again)


def test_hardly_a_word_is_taken_for_another():
    train, _ = OpenMojiCaptions().open(64, 3)
    words = {word for i in range(len(train)) for word in words_of(train[i][1])} | set(HUES)
    places = {word: frozenset(places_of(word, 16384)) for word in words}
    assert len(set(places.values())) == len(words) > 1000
    taken = frozenset().union(*places.values())
    others = [f"nothing{number}" for number in range(2000)]
    known = [word for word in others if taken.issuperset(places_of(word, 16384))]
    assert len(known) < 0.03 * len(others)
