"""NIR files: float graphs and integer networks, ours and other tools'."""
