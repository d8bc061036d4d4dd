"""The package as a whole: public names, cheap import, commands that agree."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest

import alliance_stats as al
from tests.conftest import ROOT


@pytest.mark.parametrize("name", sorted(set(al.__all__) - {"__version__"}))
def test_every_public_name_can_be_loaded_and_explains_itself(name: str) -> None:
    value = getattr(al, name)
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lm'"):
        _ = al.lm


def test_the_version_stands_once_and_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == al.__version__ == version("alliance-stats")
    assert f"version: {al.__version__}" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"## {al.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("matplotlib", "seaborn", "statsmodels", "scipy", "pyreadstat", "pandas")
    code = f"import sys, alliance_stats; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_the_readme_has_one_command_for_the_study_and_one_for_the_tests() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python3 -m venv .venv")]
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/alliance-stats run therapist-statements")
    assert ".venv/bin/python -m pytest" in commands[1]


def test_no_source_file_is_longer_than_400_lines() -> None:
    long = [p.name for p in (ROOT / "alliance_stats").rglob("*.py") if len(p.read_text("utf-8").splitlines()) > 400]
    assert long == []
