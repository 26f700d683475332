"""Which targets there are, and what another package may add."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from cortexcore.errors import CortexCoreError
from cortexcore.targets import registry
from cortexcore.targets.registry import TARGETS, get_target, target_names


def test_ours_by_name():
    assert target_names()[: len(TARGETS)] == ["reference", "integer", "onnx", "tflite", "loihi", "cortex-m", "native"]
    for name in TARGETS:
        target = get_target(name)
        assert target.name == name and set(target.takes) <= {"float", "integer"} and target.takes
        assert target.config() == target.config()


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        CortexCoreError, match="no target 'lohi'; there are reference, integer, onnx, tflite, loihi, cortex-m"
    ) as caught:
        get_target("lohi")
    assert caught.value.exit_code == 1


def test_another_package_adds_one_but_cannot_replace_ours(monkeypatch):
    offered = [
        EntryPoint("theirs", "cortexcore.targets.integer.target:TARGET", registry.ENTRY_POINTS),
        EntryPoint("onnx", "nowhere:TARGET", registry.ENTRY_POINTS),
        EntryPoint("broken", "nowhere_at_all:TARGET", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: offered if group == registry.ENTRY_POINTS else [])
    assert target_names() == [*TARGETS, "broken", "theirs"]
    assert get_target("theirs") is get_target("integer")
    assert get_target("onnx").name == "onnx"
    with pytest.raises(CortexCoreError, match=r"target 'broken' \(nowhere_at_all:TARGET\) cannot be imported"):
        get_target("broken")


def test_naming_the_targets_imports_none_of_them():
    code = (
        "import sys; from cortexcore.targets.registry import target_names; target_names(); "
        "heavy = {'onnx', 'onnxruntime', 'torch', 'nir', 'cortexcore.targets.onnx.target'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
