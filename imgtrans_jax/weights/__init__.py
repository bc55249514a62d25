"""Weights that were trained elsewhere: where they come from, and readers that execute nothing."""
