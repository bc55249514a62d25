"""Turns a photo, a sketch or a folder of them into another look; see --help."""

from imgtrans_jax.commands import app

if __name__ == "__main__":
    app.main("stylize", "python stylize.py")
