"""`python -m imgtrans_jax`, the same as the command `imgtrans`."""

from imgtrans_jax.commands.app import main

main()
