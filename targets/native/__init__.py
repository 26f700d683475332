"""The generated C, compiled for this machine: the fastest target here, and the test bed of the firmware's kernels."""
