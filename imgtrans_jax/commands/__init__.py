"""Command lines: flags, one call, one sentence for a mistake."""
