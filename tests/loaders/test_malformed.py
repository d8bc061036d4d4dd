"""Every malformed file ends in a typed error or a table: no other exception, no crash, no hang, no gigabyte, no cell shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loaders.malformed import CANARY, Case, cases

CASES = cases()
BATCHES = 4
PATIENCE = 240


def run(names: list[str], folder: Path) -> dict[str, str]:
    """Read cases in a process of its own; return what became of each. The rest goes to another process after a crash."""
    script = Path(__file__).with_name("malformed.py")
    found: dict[str, str] = {}
    attempt = 0
    while names:
        attempt += 1
        inside = folder / str(attempt)
        inside.mkdir()
        done = subprocess.run(
            [sys.executable, str(script), str(inside), *names],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found |= {line["ends"]: line["outcome"] for line in lines if "ends" in line}
        begun = [line["begins"] for line in lines if "begins" in line]
        if CANARY in done.stderr:
            found["standard error"] = "a cell is shown"
        if done.returncode:
            if not begun:
                raise RuntimeError(done.stderr)
            found.setdefault(begun[-1], f"the process ended with {done.returncode}: {done.stderr[-800:]}")
        names = [name for name in names if name not in found] if done.returncode else []
    return found


def verdict(case: Case, said: str) -> str:
    """Return what is wrong with an outcome, empty if nothing is."""
    expected = [case.outcome] if case.outcome else ["error", "table"]
    return "" if said in expected else f"{case.name}: {said}"


def test_there_are_many_cases_of_every_format() -> None:
    suffixes = [name.split(" ")[0] for name in CASES]
    assert len(CASES) >= 150
    assert all(
        suffixes.count(suffix) >= 10 for suffix in (".csv", ".xlsx", ".ods", ".sav", ".zsav", ".dta", ".parquet")
    )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_malformed_file_is_a_typed_error_or_a_table(tmp_path: Path, batch: int) -> None:
    names = list(CASES)[batch::BATCHES]
    found = run(names, tmp_path)
    wrong = [verdict(CASES[name], found.get(name, "was not read")) for name in names]
    assert "\n".join(text for text in wrong if text) == ""
    assert "standard error" not in found
