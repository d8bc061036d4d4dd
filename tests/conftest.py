"""Shared fixtures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: a change fails because of what it changed. To look for new ones, run with
# --hypothesis-profile=default.
settings.register_profile("project", derandomize=True, deadline=None)
settings.load_profile("project")

ROOT = Path(__file__).resolve().parents[1]


def public_data_folder() -> Path:
    """Return where public data sets lie for tests; they are not part of the project."""
    return Path(os.environ.get("ALLIANCE_STATS_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function from a data set's name to its folder; the test is skipped when it is not there."""

    def folder(name: str) -> Path:
        path = public_data_folder() / name
        if not path.is_dir():
            pytest.skip(f"public data set '{name}' is not on this machine; name its folder in ALLIANCE_STATS_TEST_DATA")
        return path

    return folder
