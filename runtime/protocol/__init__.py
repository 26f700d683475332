"""The framed, checksummed serial protocol between a wearable and its host."""
