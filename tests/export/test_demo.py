"""The page to draw on: in a real browser with a real mouse, against what the terminal makes of the
same picture; and the doors of its server and of its runtime.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import shutil
import socket
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, needs_browser
from PIL import Image

from imgtrans_jax.data import sample_pictures
from imgtrans_jax.export import browser_runtime
from imgtrans_jax.export.browser_runtime import FILES, runtime_files
from imgtrans_jax.export.demo import MARK, write_demo
from imgtrans_jax.export.server import Server
from imgtrans_jax.inference import drawings, shelf
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translator import Translation
from imgtrans_jax.io import images
from imgtrans_jax.types import UserError

PAGE = Path(browser_runtime.__file__).parent / "page"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def served(folder: Path) -> Server:
    server = Server(folder, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


# --------------------------------------------------------------------------- equal to the package


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A browser with a page that can import the page's modules."""
    folder = tmp_path_factory.mktemp("scripts")
    for path in PAGE.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "index.html").write_text("<!doctype html>")
    with served(folder) as server, Browser(folder) as browser:
        browser.open(server.address, folder)
        browser.ask("import('./pictures.js').then(module => { window.pictures = module; })")
        yield browser
        server.shutdown()


def in_browser(browser: Browser, call: str, *pictures: np.ndarray) -> np.ndarray:
    """What `call` makes of pictures p0, p1, … (H, W, 3), uint8 or float32."""
    lines = []
    for i, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        kind = "Uint8ClampedArray" if picture.dtype == np.uint8 else "Float32Array"
        code = base64.b64encode(picture.tobytes()).decode()
        lines.append(
            f"const p{i} = {{width: {width}, height: {height}, data: new {kind}(Uint8Array.from("
            f"atob('{code}'), c => c.charCodeAt(0)).buffer)}};"
        )
    script = f"""(() => {{ {" ".join(lines)}
        const made = pictures.{call}, bytes = new Uint8Array(made.data.buffer);
        const text = Array.from(bytes, b => String.fromCharCode(b)).join("");
        return [made.width, made.height, made.data.constructor.name, btoa(text)]; }})()"""
    width, height, kind, code = browser.ask(script)
    dtype = np.float32 if kind == "Float32Array" else np.uint8
    return np.frombuffer(base64.b64decode(code), dtype).reshape(height, width, 3)


def apart(x: np.ndarray, y: np.ndarray) -> int:
    assert x.shape == y.shape
    return int(np.abs(x.astype(int) - y.astype(int)).max())


def photographed() -> np.ndarray:
    """A drawing on gray paper in uneven light."""
    drawing = sample_pictures.drawing(size=160).astype(np.float32)[10:, :130]
    light = np.linspace(0.4, 0.8, drawing.shape[1], dtype=np.float32)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 2, drawing.shape)
    return (drawing * light * (1, 0.95, 0.85) + noise).clip(0, 255).astype(np.uint8)


@needs_browser
@pytest.mark.parametrize("size", [(7, 5), (40, 30), (33, 47), (90, 61)])
def test_pictures_are_resized_as_in_the_package(scripts, size):
    picture = np.random.default_rng(1).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    height, width = size
    call = f"resize(p0, {width}, {height})"
    np.testing.assert_array_equal(
        in_browser(scripts, call, picture), images.resize(picture, height, width)
    )
    unit = images.to_unit(picture)
    np.testing.assert_allclose(
        in_browser(scripts, call, unit), images.resize(unit, height, width, clip=False), atol=1e-6
    )


@needs_browser
@pytest.mark.parametrize("size", [2, 3, 5])
def test_lines_are_made_broader_as_in_the_package(scripts, size):
    picture = sample_pictures.drawing(size=60)[:, :50]
    before = drawings.LineDrawings(expected=True)
    made = in_browser(scripts, f"broadened(p0, {size})", picture)
    sides = round(picture.shape[0] / (2 * size)), round(picture.shape[1] / (2 * size))
    np.testing.assert_array_equal(images.resize(made, *sides), before.resize(picture, *sides))


@needs_browser
@pytest.mark.parametrize("turned", [False, True])
def test_paper_is_cleaned_as_in_the_package(scripts, turned):
    picture = 255 - sample_pictures.drawing(size=120) if turned else photographed()
    assert not drawings.has_white_paper(picture)
    assert scripts.ask("typeof pictures.hasWhitePaper") == "function"
    made = in_browser(scripts, "withCleanPaper(p0)", picture)
    assert apart(made, drawings.clean_paper(picture)) <= 1


@needs_browser
def test_ink_and_fills_are_laid_as_in_the_package(scripts):
    drawing = sample_pictures.drawing(size=200)
    colored = sample_pictures.drawing(sketch=False, size=200).astype(int)
    noise = np.random.default_rng(2).integers(-40, 40, colored.shape)
    result = (colored + noise).clip(0, 255).astype(np.uint8)
    made = in_browser(scripts, "withInk(p0, p1)", result, drawing)
    assert apart(made, drawings.with_ink(result, drawing)) <= 1
    made = in_browser(scripts, "withFlatFills(p0, p1)", result, drawing)
    assert apart(made, drawings.with_flat_fills(result, drawing)) <= 1
    assert apart(made, result) > 20
    white = np.full_like(drawing, 255)
    made = in_browser(scripts, "withFlatFills(p0, p1)", result, white)
    np.testing.assert_array_equal(made, drawings.with_flat_fills(result, white))


# ----------------------------------------------------------------------------------- the whole page


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    try:
        runtime_files()
    except UserError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    write_demo(["sketch2color", "painters"], folder / "page")
    with served(folder / "page") as server:
        yield server
        server.shutdown()


def canvas(browser: Browser, name: str) -> np.ndarray:
    address = browser.ask(f"document.getElementById('{name}').toDataURL('image/png')")
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(picture.convert("RGB"))


def settle(browser: Browser) -> None:
    """Until the page has worked what there is, at the size chosen."""
    browser.until("document.getElementById('result').ariaBusy === 'false'", 60)
    assert browser.ask("document.getElementById('status').className") == ""


def in_terminal(name: str, picture: np.ndarray, size: int | None = None, **how) -> np.ndarray:
    path = shelf.found(name)
    return Translation(load_generator(path), **how).of_pixels(picture[None], size)[0]


@needs_browser
def test_drawn_by_mouse_and_keys_and_photographed(demo, tmp_path):
    with Browser(tmp_path, *CAMERA) as browser:
        browser.open(demo.address, tmp_path)
        settle(browser)
        assert browser.ask("crossOriginIsolated")
        result = canvas(browser, "result")
        assert apart(result, in_terminal("sketch2color", canvas(browser, "input"))) <= 1

        browser.click("clear")  # a sheet, on it a closed form
        left, top, side, _ = browser.box("input")
        corners = [(0.2, 0.2), (0.8, 0.25), (0.7, 0.8), (0.25, 0.7), (0.2, 0.2)]
        browser.drag([(left + x * side, top + y * side) for x, y in corners])
        settle(browser)
        drawn = canvas(browser, "input")
        assert 0.01 < (drawn < 128).mean() < 0.2
        result = canvas(browser, "result")
        assert apart(result, in_terminal("sketch2color", drawn)) <= 1

        browser.click("clear")
        assert browser.ask("document.getElementById('save').disabled")  # until it is worked
        browser.click("undo")
        np.testing.assert_array_equal(canvas(browser, "input"), drawn)
        browser.ask("document.getElementById('networks').children[1].click()")
        settle(browser)
        browser.ask("document.getElementById('networks').children[0].click()")
        settle(browser)
        np.testing.assert_array_equal(canvas(browser, "input"), drawn)
        assert not browser.ask("document.getElementById('undo').disabled")

        browser.ask("document.getElementById('input').focus()")
        for key in (" ", *["ArrowRight"] * 6, "ArrowDown", " "):
            browser.key(key)
        settle(browser)
        assert (canvas(browser, "input") != drawn).any()
        browser.click("undo")
        np.testing.assert_array_equal(canvas(browser, "input"), drawn)
        browser.click("eraser")
        browser.drag(
            [(left + 0.2 * side, top + 0.2 * side), (left + 0.8 * side, top + 0.25 * side)]
        )
        assert (canvas(browser, "input") < 128).sum() < (drawn < 128).sum()
        settle(browser)

        browser.click("open-camera")
        browser.until("!document.getElementById('shoot').hidden")
        browser.click("shoot")
        settle(browser)
        shot = canvas(browser, "input")
        assert not drawings.has_white_paper(shot)
        assert apart(canvas(browser, "result"), in_terminal("sketch2color", shot)) <= 1

        browser.ask(
            "window.createImageBitmap = (original => async blob => { await new Promise(done => "
            "setTimeout(done, 500)); return original(blob); })(createImageBitmap)"
        )
        browser.click("clear")
        browser.click("sample")  # which comes after the next stroke, and is not wanted any more
        browser.drag([(left + x * side, top + y * side) for x, y in corners])
        drawn = canvas(browser, "input")
        time.sleep(1)
        np.testing.assert_array_equal(canvas(browser, "input"), drawn)

        here = browser.ask("performance.getEntriesByType('resource').map(one => one.name)")
        assert here
        assert all(name.startswith((demo.address, "data:", "blob:")) for name in here)


@needs_browser
def test_looks_are_mixed_and_saved(demo, tmp_path):
    with Browser(tmp_path) as browser:
        browser.open(demo.address, tmp_path)
        browser.ask("document.getElementById('networks').children[1].click()")
        browser.until("document.getElementById('size').options.length > 1")
        browser.ask(
            """(() => {
            const size = document.getElementById('size'), looks = document.getElementById('looks');
            size.value = '128';
            looks.children[2].firstChild.click();
            looks.children[15].lastChild.value = 50;
            looks.children[15].lastChild.dispatchEvent(new Event('input'));
            size.dispatchEvent(new Event('change')); })()"""
        )
        settle(browser)
        assert "× 128" in browser.ask("document.getElementById('status').textContent")
        result, photograph = canvas(browser, "result"), canvas(browser, "input")
        look = "scream:1,chalk:0.5"
        assert apart(result, in_terminal("painters", photograph, 128, look=look)) <= 1
        assert browser.ask("document.querySelectorAll('#looks .used').length") == 2
        browser.click("save")
        end = time.monotonic() + 20
        while not (files := list(tmp_path.glob("*.png"))) and time.monotonic() < end:
            time.sleep(0.02)
        (saved,) = files
        assert saved.name == "painters.png"
        np.testing.assert_array_equal(np.asarray(Image.open(saved).convert("RGB")), result)


def test_a_page_is_made_anew_and_nothing_else_is(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "novel.txt").write_text("It was a dark")
    with pytest.raises(UserError, match="is no page of this kind"):
        write_demo(["color2sketch"], tmp_path / "mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is no page of this kind"):
        write_demo(["color2sketch"], tmp_path / "file")
    with pytest.raises(UserError, match="no_such_network"):
        write_demo(["no_such_network"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in FILES:
        (runtime / name).write_bytes(b"other")
    page = write_demo(["color2sketch"], tmp_path / "new", runtime)
    assert page == tmp_path / "new" / "index.html"
    assert (tmp_path / "new" / MARK).is_file()
    (data,) = [line for line in page.read_text().splitlines() if 'id="data"' in line]
    (network,) = json.loads(data.partition(">")[2].partition("</script>")[0])
    for name in (network["file"], network["card"], network["sample"]):
        assert (tmp_path / "new" / name).is_file()
    (tmp_path / "new" / "networks" / "old.onnx").write_bytes(b"")
    write_demo([shelf.FOLDER / "color2sketch.safetensors", "color2sketch"], page.parent, runtime)
    found = {path.name for path in (page.parent / "networks").iterdir()}
    assert found == {f"color2sketch{n}.{kind}" for n in ("", "_2") for kind in ("onnx", "html")}
    (page.parent / "samples").rename(tmp_path / "elsewhere")
    (page.parent / "samples").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link"):
        write_demo(["color2sketch"], page.parent, runtime)


# ------------------------------------------------------------------------------------------- server


@pytest.fixture
def small(tmp_path):
    folder = tmp_path / "page"
    (folder / "inside").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with served(folder) as server:
        yield server
        server.shutdown()


def asked(server: Server, path: str, host: str | None = None, method: str = "GET"):
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def test_the_page_is_served_with_what_threads_need(small):
    status, body, headers = asked(small, "/")
    assert (status, body) == (200, b"the page")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    for host in (f"localhost:{small.server_address[1]}", "LOCALHOST", "127.0.0.1"):
        assert asked(small, "/", host)[0] == 200
    assert small.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/inside/../../secret.txt",
        "/..%2fsecret.txt",
        "/link.txt",
        "//secret.txt",
        "/inside/",
        "/index.html\x00",
        "/" + "a" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_outside_the_folder_is_served(small, path, method):
    port = small.server_address[1]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        request = f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith((b"HTTP/1.0 40", b"HTTP/1.0 414"))
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]


def test_a_browser_that_goes_away_is_nothing(small, capfd):
    (small.folder / "large").write_bytes(b"0" * 20_000_000)
    port = small.server_address[1]
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(f"GET /large HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    connection.recv(1000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()  # by a reset
    assert asked(small, "/")[0] == 200
    small.shutdown()
    assert capfd.readouterr().err == ""


def test_other_hosts_and_methods_are_refused(small):
    for host in (
        "evil.example",
        "evil.example:80",
        f"127.0.0.1.evil:{small.server_address[1]}",
        "",
    ):
        assert asked(small, "/", host or " ")[0] in (400, 403)
    assert asked(small, "/", method="POST")[0] == 501
    with pytest.raises(UserError, match=r"port=\d+` cannot be had"):
        Server(small.folder, small.server_address[1])


# ------------------------------------------------------------------------------------------ runtime


@pytest.fixture
def offline(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGTRANS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(browser_runtime, "_from_npm", dict)

    def refused(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(browser_runtime.urllib.request, "urlopen", refused)
    return tmp_path


def test_a_runtime_that_cannot_be_had(offline, capsys):
    with pytest.raises(UserError, match=r"no network.*runtime=FOLDER"):
        runtime_files()
    with pytest.raises(UserError, match="holds no onnxruntime-web"):
        runtime_files(offline)
    (offline / "dist").mkdir()
    for name in FILES:
        (offline / "dist" / name).write_bytes(b"other")
    capsys.readouterr()
    assert runtime_files(offline) == dict.fromkeys(FILES, b"other")
    assert "is not onnxruntime-web" in capsys.readouterr().out


def test_a_runtime_that_was_changed_is_not_used(offline, monkeypatch):
    kept = offline / "cache" / f"onnxruntime-web-{browser_runtime.VERSION}"
    kept.mkdir(parents=True)
    for name in FILES:
        (kept / name).write_bytes(b"changed")
    with pytest.raises(UserError, match="no network"):
        runtime_files()
    monkeypatch.setattr(
        browser_runtime.urllib.request, "urlopen", lambda *_, **__: io.BytesIO(b"changed")
    )
    with pytest.raises(UserError, match="SHA-256"):
        runtime_files()
    assert (kept / next(iter(FILES))).read_bytes() == b"changed"
