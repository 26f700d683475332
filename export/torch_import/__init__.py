"""A PyTorch model run once and followed: its modules, functions and steps become the nodes of a graph."""
