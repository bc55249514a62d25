"""Pages and logs that a person looks at."""
