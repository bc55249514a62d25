"""The command `imgtrans`: each public module that has a `main` is one of its commands."""
