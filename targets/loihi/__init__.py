"""Loihi: Lava's fixed-point models, run out of process under Lava's own interpreter."""
