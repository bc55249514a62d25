"""What a training will need on a machine that is not there: memory, seconds, hours."""
