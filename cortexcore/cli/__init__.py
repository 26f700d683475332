"""The command line; ``main`` is the entry point."""

from cortexcore.cli.app import main

__all__ = ["main"]
