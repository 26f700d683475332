"""Live: serial source, front end, network, events, recording."""
