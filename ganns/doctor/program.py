"""Check the program: Python, matching PyTorch and torchvision, procrastinate, the extras, the developers' tools."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from ganns import paths
from ganns.db.migrate import PROCRASTINATE
from ganns.utils.checks import Finding, ok, problem, warning
from ganns.utils.installation import install_command, pinned_command

OLDEST = (3, 11)
EXTRAS = {
    "dashboard": ("nicegui", "`ganns dashboard`"),
    "hub": ("huggingface_hub", "`ganns push`, and data from a hub"),
    "inception": ("torch_fidelity", "`evaluate=inception`"),
    "notebooks": ("ipykernel", "the notebooks"),
    "onnx": ("onnx", "`ganns export --onnx`"),
    "search": ("optuna", "`ganns search`"),
    "store": ("obstore", "`store=s3`"),
    "tensorboard": ("tensorboard", "curves in TensorBoard"),
    "video": ("imageio_ffmpeg", "MP4 files"),
}
"""Extra -> (a module of it, its purpose)."""
TOOLS = {
    "make": (("make",), "`make test`, `make check`"),
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "the dashboard's tests"),
    "pgbouncer": (("pgbouncer",), "the tests of workers behind a pooler"),
}
"""Package -> (one of these programs, the commands or tests that need it)."""

Requires = Callable[[str], list[str] | None]
Version = Callable[[str], str]
Which = Callable[[str], str | None]


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Tell whether Python is new enough."""
    said = ".".join(map(str, version))
    if version[:2] < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return problem("Python", f"{said} is too old", f"install Python {oldest} or newer, and make a new environment")
    return ok("Python", said)


def check_torch(load: Callable[[str], Any] = importlib.import_module) -> Finding:
    """Tell whether PyTorch and torchvision load; a mixed pair fails here."""
    for name in ("torch", "torchvision"):
        try:
            load(name)
        except Exception as error:  # missing libraries are OSError, a mixed pair RuntimeError or AttributeError
            said = f"{name} cannot be loaded: {_line(error)}"
            todo = f"`{pinned_command('--force-reinstall torch torchvision')}`, both in one command"
            return problem("PyTorch", said, todo)
    torch, vision = load("torch"), load("torchvision")
    return ok("PyTorch", f"torch {torch.__version__}, torchvision {vision.__version__}")


def check_pair(
    requires: Requires = importlib.metadata.requires, version: Version = importlib.metadata.version
) -> Finding:
    """Tell whether torchvision was built for this PyTorch: it names the one version that it fits."""
    wanted = next((found[1] for one in requires("torchvision") or [] if (found := _EXACT.match(one))), None)
    there = version("torch").partition("+")[0]
    if wanted is not None and wanted != there:
        said = f"torchvision {version('torchvision')} is made for torch {wanted}, and this is {there}"
        return problem("torchvision", said, f"`pip install torch=={wanted}`, or both anew in one command")
    return ok("torchvision", f"fits torch {there}")


def check_queue(version: Version = importlib.metadata.version) -> Finding:
    """Tell whether procrastinate is the minor version whose SQL functions we call."""
    there = version("procrastinate")
    if not there.startswith(PROCRASTINATE):
        todo = "`" + pinned_command(f"'procrastinate=={PROCRASTINATE}*'") + "`"
        return problem("procrastinate", f"{there} is installed, and this program works with {PROCRASTINATE}*", todo)
    return ok("procrastinate", there)


def check_extras(find: Callable[[str], object] = find_spec) -> Finding:
    """Say which extras are installed; all are optional."""
    missing = [name for name, (module, _) in EXTRAS.items() if find(module) is None]
    if not missing:
        return ok("extras", "all are installed")
    wanted = ", ".join(f"{name} for {EXTRAS[name][1]}" for name in missing)
    return ok("extras", f"not installed: {wanted}. To add the first of them, type `{install_command(missing[0])}`")


def is_checkout(find: Callable[[str], object] = find_spec) -> bool:
    """Tell whether this is a checkout with the developers' packages: only there the tools are checked."""
    root = paths.conf_dir().parent
    return (root / "tests").is_dir() and find("pytest") is not None


def check_tools(which: Which = shutil.which) -> Finding:
    """Tell whether the programs are installed that the tests need beyond Python."""
    missing = [name for name, (programs, _) in TOOLS.items() if not any(which(one) for one in programs)]
    if missing:
        needs = "; ".join(f"{name} is for {TOOLS[name][1]}" for name in missing)
        return warning("developers", f"not found: {needs}", f"on Debian: `apt-get install {' '.join(missing)}`")
    return ok("developers", "make, chromium and pgbouncer are here")


_EXACT = re.compile(r"torch\s*\(?==\s*([\d.]+)")


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
