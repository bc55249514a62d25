"""Losses as pure functions of arrays: adversarial, pixel, and how to join them."""
