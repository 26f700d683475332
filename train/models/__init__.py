"""Spiking networks that CortexCore trains; :func:`cortexcore.train.models.registry.build_model` makes them by name."""
