"""Devices without a device: the virtual wearable."""
