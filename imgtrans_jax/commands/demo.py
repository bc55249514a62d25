"""Makes a page to draw on, with networks that run in the browser, and shows it.

  imgtrans demo
  imgtrans demo sketch2color runs/mine --out=page

Draw with the mouse, a pen or a finger, or drop a picture, and see the result beside it. Nothing is
sent anywhere: the networks run on your machine, in the page. SRC are finished networks (imgtrans
networks), runs, or files of generators; by default those that come along.

The folder is static, and any web server can serve it. Where that sends the headers
Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, as the one
here does, the page computes with several threads.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import cast

from imgtrans_jax.commands import app

FLAGS = app.Flags()
SRC = FLAGS.paths("src", "Networks of the page.")
OUT = FLAGS.path("out", "demo", "The folder of the page.")
RUNTIME = FLAGS.path(
    "runtime",
    None,
    "A folder of onnxruntime-web, unpacked. Default: a fixed version is fetched once, and kept.",
)
PORT = FLAGS.whole("port", 8000, "Of the server, on this machine alone; 0 for any.")
SERVE = FLAGS.choice("serve", "on", ["on", "off"], "off: writes the folder and ends.")
DIRECTION = FLAGS.choice("direction", "a2b", ["a2b", "b2a"], "Which generator of a CycleGAN.")
TRUST_CODE = FLAGS.switch("trust_code", "Run code that a run's config names outside imgtrans_jax.")
POSITIONAL = (SRC,)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.export.demo import write_demo
    from imgtrans_jax.export.server import Server
    from imgtrans_jax.types import Direction, UserError

    app.no_overrides(overrides)
    out, port = Path(OUT.value), PORT.value
    if not 0 <= port < 2**16:
        raise UserError(f"--port={port} is no port; give 0 to 65535.")
    # first, for a port that is taken is known before there is any work
    with contextlib.nullcontext() if SERVE.value == "off" else Server(out, port) as server:
        direction = cast("Direction", DIRECTION.value)
        page = write_demo(SRC.value, out, RUNTIME.value, direction, TRUST_CODE.value)
        print(f"Wrote {page}")
        if server is None:
            return 0
        print(f"Open {server.address} in a browser; Ctrl-C ends it.", flush=True)
        try:
            server.serve_forever()
        except app.Terminated:
            raise
        except KeyboardInterrupt:
            print()
    return 0
