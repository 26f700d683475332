"""CortexCore: from a trained spiking neural network to hardware, the same network on every target."""
