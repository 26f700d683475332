"""The one error family. A leaf: every room may import it, it imports nothing of ours.

A message says what is wrong, where, what is allowed and how to mend it. The command line prints it as one
sentence and exits with ``exit_code``; a traceback means a bug in CortexCore, never a user's mistake.
"""

from __future__ import annotations


class CortexCoreError(ValueError):
    """Anything a user can mend: a file, a value, a missing package."""

    exit_code = 1


class GraphError(CortexCoreError):
    """A network that is malformed, or says something this part cannot keep."""


class QuantizationError(CortexCoreError):
    """A float network that the integer grids cannot hold."""


class BundleError(CortexCoreError):
    """A deployed model on disk that is incomplete, changed or from another version."""


class DataError(CortexCoreError):
    """A recording or an input array that is missing, damaged or of the wrong kind."""


class StreamError(CortexCoreError):
    """A serial port or a device on it that cannot be reached, vanished, or speaks another protocol."""


class FirmwareFault(CortexCoreError):
    """A firmware that stopped on the emulated board: an access to nothing, a full stack, a loop without end."""


class TargetUnavailable(CortexCoreError):
    """A target, or a package it runs on, is not installed on this machine."""

    exit_code = 3


def missing_package(package: str, extra: str, needed_for: str) -> TargetUnavailable:
    """The sentence for an optional package that is not installed.

    Args:
        package: import name of the package, e.g. ``"onnx"``.
        extra: the extra of CortexCore that brings it, e.g. ``"export"``.
        needed_for: what the user tried to do, e.g. ``"lowering to ONNX"``.
    """
    return TargetUnavailable(
        f"{needed_for} needs the package '{package}', which is not installed: pip install 'cortexcore[{extra}]'"
    )
