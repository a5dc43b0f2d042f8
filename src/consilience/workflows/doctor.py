"""doctor: what is installed, what the machine offers, and the usual mistakes."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from consilience import __version__

_PACKAGES = (
    *("numpy", "pillow", "safetensors", "loky", "rich", "torch", "scikit-learn", "lightgbm", "pyarrow", "pandas"),
    "easy-vqa",
)


def doctor() -> dict[str, Any]:
    """{"consilience", "python", "platform", "cores", "packages": {name: version or null}, "device", "problems"}"""
    packages = {name: _version(name) for name in _PACKAGES}
    problems = []
    if importlib.util.find_spec("torchvision") is not None and not _imports("torchvision"):
        problems.append(
            "torchvision is installed but cannot be imported with this torch; consilience does not need it, and other "
            "packages break because of it: pip uninstall torchvision"
        )
    device = None
    if packages["torch"] is None:
        problems.append("torch is not installed: fit needs it (pip install 'consilience[train]')")
    else:
        import torch

        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not sys.flags.utf8_mode and sys.getfilesystemencoding().lower() not in ("utf-8", "utf8"):
        problems.append(f"file names are {sys.getfilesystemencoding()}, not UTF-8: set PYTHONUTF8=1")
    return {
        "consilience": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": packages,
        "device": device,
        "problems": problems,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _imports(module: str) -> bool:
    import subprocess

    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, timeout=60).returncode == 0
