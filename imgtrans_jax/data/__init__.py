"""Where pictures come from, how they are cut, and the deterministic stream of batches."""
