"""Recordings to trained models and their evaluation."""
