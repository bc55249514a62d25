"""Scores of generators and of folders, side by side, and by people."""
