"""Takes the trained generator out of a run into one file that stylize.py reads, without optimisers, critics and pool.

python -m imgtrans_jax.convert RUN FILE.safetensors
"""

from __future__ import annotations

from pathlib import Path

from imgtrans_jax import cli
from imgtrans_jax.types import UserError


def main(_: cli.Overrides, arguments: list[str]) -> int:
    from imgtrans_jax.generators import load_generator, save_generator

    if len(arguments) != 2:
        raise UserError("Two names are needed: python -m imgtrans_jax.convert RUN FILE.safetensors")
    if Path(arguments[1]).suffix != ".safetensors":
        raise UserError(f"The file's name must end in .safetensors: {Path(arguments[1]).with_suffix('.safetensors')}")
    save_generator(load_generator(arguments[0]), arguments[1])
    print(f"Wrote {arguments[1]}: use it with stylize.py --generator={arguments[1]}")
    return 0


if __name__ == "__main__":
    cli.run(main, positional=True)
