"""The process and its machine: console, clock, memory, signals, other processes."""
