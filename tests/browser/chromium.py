"""Headless Chromium, driven over its debugging pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)

# In CI, which installs one, a missing browser is a failure.
needs_browser = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="needs Chromium"
)


class Browser:
    """One page at a time.

    Args:
        folder: For its profile.
        *flags: More of Chromium's.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        commands, self.out = os.pipe()
        self.input, answers = os.pipe()
        usual = (
            "--headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run "
            "--window-size=1000,800"
        )
        pipes = f"3<&{commands} 4>&{answers}"
        profile = f'--user-data-dir="{folder}/profile"'
        shell = f'exec "{CHROMIUM}" {usual} {" ".join(flags)} {profile} about:blank {pipes}'
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(
            ["bash", "-c", shell], pass_fds=(commands, answers), **quiet
        )
        os.close(commands)
        os.close(answers)
        self.number, self.session, self.buffer = 0, None, b""

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.input)

    def send(self, method: str, **params: object) -> dict:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self._write(json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.buffer:
                self.buffer += os.read(self.input, 65536)
            text, _, self.buffer = self.buffer.partition(b"\0")
            answer = json.loads(text)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def _write(self, message: bytes) -> None:
        while message:
            message = message[os.write(self.out, message) :]

    def open(self, address: str, downloads: Path) -> None:
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        self.send("Page.navigate", url=address)  # answers when the new page has begun
        self.until("document.readyState === 'complete'")

    def ask(self, expression: str):
        """The value of an expression, also of one that is to come."""
        result = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < end, f"{expression}: {self.ask('document.body.innerText')}"
            time.sleep(0.005)

    def box(self, element: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of the element of an id, in pixels of the window."""
        place = (
            f"(r => [r.x, r.y, r.width, r.height])(document.getElementById('{element}')"
            ".getBoundingClientRect())"
        )
        left, top, width, height = self.ask(place)
        return left, top, width, height

    def click(self, element: str) -> None:
        left, top, width, height = self.box(element)
        self.drag([(left + width / 2, top + height / 2)])

    def drag(self, places: Sequence[tuple[float, float]]) -> None:
        """Presses the mouse, moves it from place to place, and lets go."""
        (x, y), *others = places
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **button)
        for x, y in others:
            self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, **button)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **button)

    def key(self, key: str, modifiers: int = 0) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers)

    def screenshot(self, path: Path, width: int, height: int) -> None:
        """Of a window of that size, as PNG."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        time.sleep(0.3)
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
