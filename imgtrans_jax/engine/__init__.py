"""One game, one state, one step for all methods; no method and no config."""
