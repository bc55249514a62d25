"""Embedded colour profiles against the formulas of ICC.1 in float64."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from imgtrans_jax.io import images
from imgtrans_jax.io.profiles import gray_curve, in_srgb, made_profile

D50 = np.array([0.9642, 1.0, 0.8249])
# Columns: red, green and blue in XYZ, adapted to D50, as the makers publish them.
SRGB = np.array([[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
SPACES = {
    "Display P3": (
        [[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0010, 0.0419, 0.7841]],
        "srgb",
    ),
    "Adobe RGB": (
        [[0.6097, 0.2053, 0.1492], [0.3111, 0.6257, 0.0632], [0.0195, 0.0609, 0.7446]],
        2.19921875,
    ),
    "ProPhoto": (
        [[0.7977, 0.1352, 0.0313], [0.2880, 0.7119, 0.0001], [0.0, 0.0, 0.8249]],
        461 / 256,
    ),
}
RED = {"Display P3": (202, 59, 44), "Adobe RGB": (189, 44, 36), "ProPhoto": (151, 67, 33)}
"""How (220, 40, 30) of sRGB is stored in each."""


def fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *(round(x * 65536) for x in numbers))


def curve(kind):
    if kind == "srgb":
        return (
            b"para"
            + bytes(4)
            + struct.pack(">HH", 3, 0)
            + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        )
    if isinstance(kind, float):
        return b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(kind * 256))
    table = np.rint(np.asarray(kind) * 65535).astype(int)
    return b"curv" + bytes(4) + struct.pack(f">I{len(table)}H", len(table), *table)


def profile(space, tags):
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"", 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(*D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def rgb_profile(name):
    columns, kind = SPACES[name]
    xyz = {
        c + b"XYZ": b"XYZ " + bytes(4) + fixed(*np.array(columns)[:, i])
        for i, c in enumerate((b"r", b"g", b"b"))
    }
    return profile(
        b"RGB ",
        {
            b"wtpt": b"XYZ " + bytes(4) + fixed(*D50),
            **xyz,
            **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve(kind)),
        },
    )


def grey_profile(kind):
    return profile(b"GRAY", {b"wtpt": b"XYZ " + bytes(4) + fixed(*D50), b"kTRC": curve(kind)})


def light(values, kind):
    """Of values in [0, 1]."""
    if kind == "srgb":
        return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    if isinstance(kind, float):
        return values**kind
    return np.interp(values, np.linspace(0, 1, len(kind)), kind)


def encoded(linear):
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def witness(pixels, name):
    columns, kind = SPACES[name]
    xyz = light(pixels / 255, kind) @ np.array(columns).T
    return encoded(xyz @ np.linalg.inv(SRGB).T)


PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", SPACES)
def test_the_red_of_the_issue(name, tmp_path):
    Image.new("RGB", (8, 8), RED[name]).save(tmp_path / "x.png", icc_profile=rgb_profile(name))
    np.testing.assert_allclose(
        images.read_picture(tmp_path / "x.png")[0, 0].astype(int), (220, 40, 30), atol=2
    )


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("png", "RGB", {}),
        ("png", "RGBA", {}),
        ("tif", "RGB", {}),
        ("tif", "RGBA", {}),
        ("webp", "RGB", {"lossless": True}),
        ("webp", "RGBA", {"lossless": True, "exact": True}),
        ("avif", "RGB", {"quality": 100, "subsampling": "4:4:4"}),
        ("jpg", "RGB", {"quality": 100, "subsampling": 0}),
    ],
)
def test_rgb_in_every_form(name, form, mode, options, tmp_path):
    """Within a level of the formulas where the form keeps pixels as they are and carries a
    profile.
    """
    path = tmp_path / f"x.{form}"
    image = Image.fromarray(PIXELS)
    alpha = Image.fromarray(PIXELS[..., 0])
    if mode == "RGBA":
        image.putalpha(alpha)
    image.save(path, icc_profile=rgb_profile(name), **options)
    with Image.open(path) as stored:
        assert stored.info.get("icc_profile"), "Pillow writes none as JPEG 2000 and BMP alone"
        raw = np.asarray(stored.convert(mode))
    found = images.read_picture(path, channels=len(mode))
    wanted = witness(raw[..., :3], name)
    assert np.abs(found[..., :3] - wanted).max() < 1.6
    assert np.abs(found[..., :3] - wanted).mean() < 0.4
    if mode == "RGBA":
        np.testing.assert_array_equal(found[..., 3], PIXELS[..., 0])
        flat = images.read_picture(path).astype(float)
        a = raw[..., 3:] / 255
        np.testing.assert_allclose(flat, wanted * a + 255 * (1 - a), atol=2.6)
    elif form not in ("jpg", "avif"):
        np.testing.assert_array_equal(raw, PIXELS)


def test_a_palette_is_converted_too(tmp_path):
    palette = Image.fromarray(PIXELS).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    palette.save(tmp_path / "x.png", icc_profile=rgb_profile("ProPhoto"))
    wanted = witness(np.asarray(palette.convert("RGB")), "ProPhoto")
    np.testing.assert_allclose(images.read_picture(tmp_path / "x.png"), wanted, atol=1.6)
    palette.save(tmp_path / "t.png", icc_profile=rgb_profile("ProPhoto"), transparency=3)
    found = images.read_picture(tmp_path / "t.png", channels=4)
    seen = found[..., 3] == 255
    assert not seen.all()
    np.testing.assert_allclose(found[seen][:, :3], wanted[seen], atol=1.6)


CURVES = [1.0, 461 / 256, 2.19921875, "srgb", tuple(np.linspace(0, 1, 33) ** 3)]


@pytest.mark.parametrize("kind", CURVES, ids=["linear", "1.8", "2.2", "srgb", "table"])
@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "F"])
def test_grey(kind, mode, tmp_path):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 8, axis=0)
    if mode == "I;16":
        values = ramp.astype(np.uint16) * 257
    elif mode == "F":
        values = ramp / np.float32(255)
    else:
        values = np.dstack([ramp, 255 - ramp])[..., : len(mode)].squeeze()
    path = tmp_path / "x.tif"
    Image.fromarray(values).save(path, icc_profile=grey_profile(kind))
    wanted = encoded(light(ramp / 255, kind))
    found = images.read_picture(path, channels=4)[..., :3]
    if found.dtype == np.uint8:
        np.testing.assert_allclose(found, np.repeat(wanted[..., None], 3, 2), atol=1.1)
    else:
        np.testing.assert_allclose(255 * found, np.repeat(wanted[..., None], 3, 2), atol=0.02)
    if mode == "LA":
        np.testing.assert_array_equal(images.read_alpha(path)[..., 0], 255 - ramp)
    assert images.read_picture(path, channels=1).shape == (8, 256, 1)


def cmyk_profile():
    """Paper white less the share of each ink, of 2 places a side, as a lut8: a black of L = 10."""
    grid = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    c, m, y, k = grid.T
    lightness = 100 - 25 * c - 35 * m - 5 * y
    lightness = np.where(k == 1, 10, lightness)
    lab = np.stack(
        [
            lightness * 2.55,
            128 - 40 * c * (1 - k) + 60 * m * (1 - k),
            128 + 80 * y * (1 - k) - 30 * c * (1 - k),
        ],
        1,
    )
    head = b"mft1" + bytes(4) + struct.pack(">BBBx", 4, 3, 2) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    straight = bytes(range(256))
    lut = head + straight * 4 + bytes(np.rint(lab).astype(np.uint8).ravel().tolist()) + straight * 3
    whole = profile(
        b"CMYK", {b"wtpt": b"XYZ " + bytes(4) + fixed(*D50), b"A2B0": lut, b"A2B1": lut}
    )
    return whole[:12] + b"prtr" + whole[16:20] + b"Lab " + whole[24:]


@pytest.mark.parametrize("form", ["jpg", "tif"])
def test_cmyk(form, tmp_path):
    inks = np.zeros((8, 40, 4), np.uint8)
    for place in range(4):
        inks[:, 8 * place : 8 * place + 8, place] = 255
    Image.frombytes("CMYK", (40, 8), inks.tobytes()).save(
        tmp_path / f"x.{form}", icc_profile=cmyk_profile()
    )
    found = images.read_picture(tmp_path / f"x.{form}").astype(int)
    cyan, magenta, yellow, black, paper = (found[4, 4 + 8 * i] for i in range(5))
    np.testing.assert_allclose(paper, 255, atol=3)
    lab = np.array([[75, -40, -30], [65, 60, 0], [95, 0, 80], [10, 0, 0]])
    for (lightness, a, b), seen in zip(lab, (cyan, magenta, yellow, black), strict=True):
        # CIE Lab under D50 to XYZ to sRGB.
        y = (lightness + 16) / 116
        f = np.array([y + a / 500, y, y - b / 200])
        xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50
        np.testing.assert_allclose(seen, encoded(np.linalg.inv(SRGB) @ xyz), atol=6)


def test_lab(tmp_path):
    Image.new("LAB", (8, 8), (137, 128, 128)).save(tmp_path / "x.tif")
    np.testing.assert_allclose(images.read_picture(tmp_path / "x.tif").astype(int), 128, atol=2)


def test_srgb_itself_changes_nothing(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(PIXELS).save(tmp_path / "x.png", icc_profile=srgb)
    np.testing.assert_array_equal(images.read_picture(tmp_path / "x.png"), PIXELS)


DAMAGED = {
    "cut": rgb_profile("ProPhoto")[:200],
    "text": b"no profile at all" * 20,
    "no bytes": b"\0",
    "another space": cmyk_profile(),
    "grey for colour": grey_profile(1.0),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("form", ["png", "tif", "webp"])
def test_a_damaged_profile_is_left_out_with_one_word(name, form, tmp_path, capsys):
    path = tmp_path / f"x.{form}"
    Image.fromarray(PIXELS).save(
        path, icc_profile=DAMAGED[name], **({"lossless": True} if form == "webp" else {})
    )
    for _ in range(3):
        np.testing.assert_array_equal(images.read_picture(path), PIXELS)
    said = capsys.readouterr().out
    assert said.count(f"The colour profile of {path} is left out") == 1
    deep = tmp_path / "deep.png"
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(
        deep, icc_profile=rgb_profile("ProPhoto")
    )
    np.testing.assert_allclose(images.read_picture(deep)[..., 0], PIXELS[..., 0] / 255, atol=1e-6)
    assert f"The colour profile of {deep} is left out" in capsys.readouterr().out


def test_a_profile_that_cannot_be_unpacked_is_left_out(tmp_path, capsys):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    whole, body = file.getvalue(), b"iCCPx\0\0no zlib"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "x.png").write_bytes(whole[:33] + chunk + whole[33:])
    np.testing.assert_array_equal(images.read_picture(tmp_path / "x.png"), PIXELS)
    assert "x.png is left out (it is damaged)" in capsys.readouterr().out


@pytest.mark.parametrize(("gamma", "light"), [(9000, [0, 1, 1]), (-2, [1, 1 / 2.56, 1 / 4])])
def test_a_power_without_measure_is_no_warning(gamma, light):
    steep = b"para" + bytes(4) + struct.pack(">HH", 1, 0) + fixed(gamma, 2, 0)
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(*D50), b"kTRC": steep}
    curve_of_grey = gray_curve(profile(b"GRAY", tags))
    assert curve_of_grey is not None
    np.testing.assert_allclose(curve_of_grey(np.array([0, 0.8, 1])), light, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_profile_is_more_than_a_word(data):
    """Mutated profiles, read as those of colour and of grey."""
    whole = bytearray(
        data.draw(
            st.sampled_from([rgb_profile("Display P3"), grey_profile("srgb"), cmyk_profile()])
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    mutated = (
        bytes(whole[: data.draw(st.integers(0, len(whole)))])
        if data.draw(st.booleans())
        else bytes(whole)
    )
    found = gray_curve(mutated)
    if found is not None:
        assert np.isfinite(found(np.linspace(0, 1, 9))).all()
    for mode in ("RGB", "L", "CMYK"):
        image = Image.new(mode, (8, 8))
        image.info["icc_profile"] = mutated
        assert in_srgb(image, "x.tif").size == (8, 8)


# --------------------------------------------------------------------------------- PNG's own chunks


def chunks(gamma, chromaticity=None):
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", round(gamma * 1e5)))
    if chromaticity is not None:
        info.add(b"cHRM", struct.pack(">8I", *(round(x * 1e5) for x in chromaticity)))
    return info


P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


def test_gamma_and_primaries_of_a_png(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(PIXELS).save(path, pnginfo=chunks(1.0))  # linear light
    np.testing.assert_allclose(images.read_picture(path), encoded(PIXELS / 255), atol=1.1)
    Image.fromarray(PIXELS).save(path, pnginfo=chunks(1 / 2.2, P3))
    xyz = (PIXELS / 255) ** 2.2 @ np.array(SPACES["Display P3"][0]).T
    np.testing.assert_allclose(
        images.read_picture(path), encoded(xyz @ np.linalg.inv(SRGB).T), atol=2.1
    )
    Image.fromarray(PIXELS).save(path, pnginfo=chunks(1 / 2.2))  # what sRGB files say of themselves
    np.testing.assert_array_equal(images.read_picture(path), PIXELS)
    Image.fromarray(PIXELS[..., 0]).save(path, pnginfo=chunks(1.0))
    np.testing.assert_allclose(
        images.read_picture(path)[..., 0], encoded(PIXELS[..., 0] / 255), atol=1.1
    )
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(path, pnginfo=chunks(1.0))
    np.testing.assert_allclose(
        255 * images.read_picture(path)[..., 0], encoded(PIXELS[..., 0] / 255), atol=0.01
    )


@pytest.mark.parametrize("chromaticity", [(0.3, 0.0, 0, 0, 0, 0, 0, 0), (0.3,) * 8, (4e4,) * 8])
def test_primaries_that_are_none_are_left_out_with_a_word(chromaticity, tmp_path, capsys):
    Image.fromarray(PIXELS).save(tmp_path / "x.png", pnginfo=chunks(0.7, chromaticity))
    np.testing.assert_array_equal(images.read_picture(tmp_path / "x.png"), PIXELS)
    assert "The colour profile of" in capsys.readouterr().out


def test_our_own_profile_is_read_by_littlecms_as_meant():
    made = ImageCms.ImageCmsProfile(io.BytesIO(made_profile(2.2, P3)))
    np.testing.assert_allclose(
        np.array(made.profile.red_colorant[0]), np.array(SPACES["Display P3"][0])[:, 0], atol=2e-3
    )
