"""Methods as values: a frozen dataclass of hyper-parameters with one pure method, `game()`."""
