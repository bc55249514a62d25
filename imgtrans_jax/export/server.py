"""A server for one folder on this machine alone. Imports types alone."""

from __future__ import annotations

import http.server
import os
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from imgtrans_jax.types import UserError

HOST = "127.0.0.1"

_HEADERS = {
    # Without these a browser gives a page no threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder to the browsers of this machine.

    Args:
        folder: Nothing outside it is served, by whatever path or link.
        port: 0 for any that is free.

    Raises:
        UserError: If the port cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder.resolve()
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UserError(f"`port={port}` cannot be had ({error}); give another.") from None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing where a browser has gone away in the middle; else a traceback."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/"


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | _TYPES

    def __init__(self, request: Any, client: Any, server: Server) -> None:
        self.folder = server.folder
        super().__init__(request, client, server, directory=str(server.folder))

    def send_head(self) -> Any:
        """Refuses what is not asked for by this machine's name: a page elsewhere could let its own
        name stand for this machine. And what lies outside the folder, behind a link.
        """
        host = (self.headers.get("Host") or "").partition(":")[0]
        if host.lower() not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        try:
            path = Path(os.path.realpath(self.translate_path(self.path)))
            if path.is_relative_to(self.folder):
                return super().send_head()
        except ValueError:  # a NUL
            pass
        self.send_error(HTTPStatus.NOT_FOUND)
        return None

    def list_directory(self, path: Any) -> Any:
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is the user's."""
