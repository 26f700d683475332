"""How good a model or a detector is, in the figures of the field."""
