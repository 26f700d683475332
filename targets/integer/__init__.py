"""The golden integer network as a target."""
