"""Make .venv (CortexCore and its tools) and .venv-lava (Lava, which needs Python 3.10); quick when nothing changed.

Run by ``make setup``. Standard library only, and old syntax, since it runs before anything is installed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
LAVA_REQUIREMENT = "lava-nc==0.10.0"
TORCH_REQUIREMENT = "torch==2.13.*"
# Counts operations independently of ours, in tests alone. Its metrics need torch, snntorch and tqdm, which are there;
# of its other requirements torchaudio has no release for our torch, and only its data sets use them.
NEUROBENCH_REQUIREMENT = "neurobench==2.3.0"


def interpreters(versions):
    """Commands that may be a Python of one of these versions, most likely first."""
    for version in versions:
        yield from (p for p in [shutil.which("python" + version)] if p)
        for root in {os.environ.get("PYENV_ROOT"), str(Path.home() / ".pyenv")} - {None}:
            yield from map(str, sorted(Path(root).glob("versions/" + version + ".*/bin/python"), reverse=True))
        if shutil.which("uv"):
            found = subprocess.run(["uv", "python", "find", version], capture_output=True, text=True)
            if found.returncode == 0:
                yield found.stdout.strip()
    yield sys.executable


def find_python(versions):
    """The first interpreter that runs, has one of these versions and can make virtual environments."""
    probe = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    for command in interpreters(versions):
        try:
            answer = subprocess.run([command, "-c", probe], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer.returncode == 0 and answer.stdout.strip() in versions:
            return command
    return None


def fetch_python_310():
    """Python 3.10 through uv, where there is a uv that can fetch one."""
    if not shutil.which("uv") or subprocess.run(["uv", "python", "install", "3.10"]).returncode != 0:
        return None
    return find_python(["3.10"])


def clear_if_other(folder, python):
    """``["--clear"]`` where the folder holds another or a broken Python, else nothing: packages there can stay."""
    version = "import sys; print(sys.version_info[:2])"
    inside = str(folder / "bin" / "python")
    try:
        answers = [subprocess.run([p, "-c", version], capture_output=True, text=True) for p in (inside, python)]
    except OSError:
        return ["--clear"]
    return [] if answers[0].stdout == answers[1].stdout else ["--clear"]


def build(folder, python, installs, key):
    """Make a virtual environment and install into it, unless its stamp says that this is done."""
    stamp = folder / "cortexcore-setup.sha256"
    digest = hashlib.sha256(("\n".join([str(ROOT), *key, *map(" ".join, installs)])).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest and (folder / "bin" / "python").exists():
        return
    print("setup: filling %s with %s (a few minutes the first time)" % (folder.name, python), flush=True)
    subprocess.run([python, "-m", "venv", *clear_if_other(folder, python), str(folder)], check=True)
    for packages in installs:
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(command + packages, check=True, cwd=str(ROOT))
    stamp.write_text(digest)


def main():
    python = find_python(["3.11", "3.12", "3.10"])
    if python is None:
        sys.exit("setup: no Python 3.10, 3.11 or 3.12 with the venv module was found; install one, e.g. python3.11")
    constraints = ["-c", str(CONSTRAINTS)]
    try:
        # torch goes first and alone, so that a local CPU build satisfies the rest; elsewhere it is the index's.
        installs = [
            [*constraints, TORCH_REQUIREMENT],
            [*constraints, "-e", ".[dev]"],
            ["--no-deps", NEUROBENCH_REQUIREMENT],
        ]
        build(ROOT / ".venv", python, installs, [(ROOT / "pyproject.toml").read_text(), CONSTRAINTS.read_text()])
        lava_python = find_python(["3.10"]) or fetch_python_310()
        if lava_python is None:
            print(
                "setup: no Python 3.10 was found (pyenv, PATH, uv), so the Loihi target is not available; "
                "install Python 3.10, or uv, and run 'make setup' again",
                file=sys.stderr,
            )
            return
        build(ROOT / ".venv-lava", lava_python, [[LAVA_REQUIREMENT]], [])
    except subprocess.CalledProcessError as error:
        sys.exit("setup: '%s' failed, see its message above" % " ".join(map(str, error.cmd)))


main()
