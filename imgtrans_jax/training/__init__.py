"""Training, from the config to the run's folder."""
