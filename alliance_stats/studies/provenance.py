"""How a report was made: versions, data, date, seed."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from alliance_stats import __version__

_PACKAGES = ("numpy", "pandas", "scipy", "statsmodels")


def provenance(files: Iterable[Path], *, study: str, seed: str) -> dict[str, str]:
    """Return label to value, in printing order.

    Parameters
    ----------
    files : iterable of Path
        Data files; only their names and checksums are kept.
    study : str
        Name of the study that was run.
    seed : str
        Seed of the random numbers, empty when the notebook sets none.
    """
    return {
        "Study": study,
        "Date": datetime.now().astimezone().date().isoformat(),
        **_data_lines(files),
        "Seed": seed or "none set",
        "alliance_stats": __version__,
        "Python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
    }


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _data_lines(files: Iterable[Path]) -> dict[str, str]:
    """Return one line per data file, "Data" for the first and "Data 2" and so on after it."""
    lines = {}
    for number, path in enumerate(files, start=1):
        label = "Data" if number == 1 else f"Data {number}"
        lines[label] = f"{path.name} (SHA-256 {checksum(path)})"
    return lines


def _version(package: str) -> str:
    """Return the installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
