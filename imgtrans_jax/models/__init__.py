"""Networks as pure-function Flax modules: arrays in, arrays out, no config and no state of their
own.
"""
