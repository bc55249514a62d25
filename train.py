"""Trains an image-to-image translation, or goes on with one: `imgtrans train` from a checkout."""

from imgtrans_jax.commands import app

if __name__ == "__main__":
    app.main("train", "python train.py")
