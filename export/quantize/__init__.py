"""Post-training quantization of a float graph onto Loihi's integer grids."""
