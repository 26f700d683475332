"""What ``doctor`` examines, as data."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from cortexcore.errors import CortexCoreError

PACKAGES: dict[str, tuple[str, ...]] = {
    "": ("numpy", "nir", "onnxruntime", "pyserial", "typer", "rich"),
    "record": ("wfdb",),
    "train": ("torch", "snntorch", "scipy", "safetensors"),
    "export": ("onnx", "matplotlib", "jinja2"),
    "tflite": ("tflite", "tflite-runtime" if sys.version_info < (3, 12) else "ai-edge-litert"),
    "firmware": ("ziglang", "unicorn", "capstone", "pyelftools"),
}
"""Extra → the packages it brings; the empty name is the installation itself."""


@dataclass(frozen=True)
class Finding:
    """One thing examined: its kind ("python", "package", "target", "data", "model"), and what mends it if not ok."""

    kind: str
    name: str
    ok: bool
    found: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """Look at everything CortexCore can use on this machine; changes nothing."""
    return [_python(), *_packages(), *_targets(), _data(), _model()]


def _python() -> Finding:
    ok = (3, 10) <= sys.version_info[:2] <= (3, 12)
    return Finding("python", "Python", ok, platform.python_version(), "" if ok else "use Python 3.10, 3.11 or 3.12")


def _packages() -> list[Finding]:
    findings = []
    for extra, names in PACKAGES.items():
        for name in names:
            try:
                findings.append(Finding("package", name, True, metadata.version(name)))
            except metadata.PackageNotFoundError:
                wanted = f"cortexcore[{extra}]" if extra else "cortexcore"
                findings.append(Finding("package", name, False, "not installed", f"pip install '{wanted}'"))
    return findings


def _targets() -> list[Finding]:
    from cortexcore.targets.registry import get_target, target_names

    findings = []
    for name in target_names():
        reason = get_target(name).unavailable()
        label = f"target {name}"
        findings.append(Finding("target", label, reason is None, "runs here" if reason is None else "no", reason or ""))
    return findings


def _data() -> Finding:
    from cortexcore.train.recordings import find_data

    try:
        return Finding("data", "MIT-BIH recordings", True, str(find_data(None)))
    except CortexCoreError as error:
        return Finding("data", "MIT-BIH recordings", False, "none", str(error))


def _model() -> Finding:
    from cortexcore.opening import SHIPPED
    from cortexcore.runtime.bundle import load_bundle

    try:
        return Finding("model", "shipped beat model", True, load_bundle(SHIPPED / "bundle").name)
    except CortexCoreError as error:
        return Finding("model", "shipped beat model", False, "damaged", f"{error}; install CortexCore again")
