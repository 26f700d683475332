"""Where a network runs: one folder per target."""
