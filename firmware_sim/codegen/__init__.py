"""Readable C of an integer network: constant tables, one function per layer, an API for firmware."""
