"""Convolutions in the forms that are fast, by platform, type and shape."""
