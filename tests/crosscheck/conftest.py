"""A small study, and stand-ins for Rscript."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def study() -> pd.DataFrame:
    """Return 40 patients of 8 therapists with 2 to 9 sessions each; ids are words."""
    rng = np.random.default_rng(20240611)
    n_sessions = rng.integers(2, 10, 40)
    patient = np.repeat(np.arange(40), n_sessions)
    session = np.concatenate([np.arange(k) for k in n_sessions])
    therapist = patient // 5
    effects = rng.multivariate_normal([0, 0], [[4.0, 0.3], [0.3, 0.5]], 40)[patient]
    distress = 20 + effects[:, 0] + (effects[:, 1] - 0.6) * session + rng.normal(0, 1.5, 8)[therapist]
    return pd.DataFrame(
        {
            "patient": [f"Surname{k:02d}" for k in patient],
            "therapist": [f"Doctor{k}" for k in therapist],
            "session": session,
            "rater": np.where(rng.random(patient.size) < 0.5, "own", "other"),
            "distress": distress + rng.normal(0, 1.5, patient.size),
            "certainty": rng.uniform(0.5, 2.0, patient.size),
        }
    )


@pytest.fixture(scope="session")
def needs_lme4() -> None:
    """Skip where R or its package lme4 is not installed."""
    program = shutil.which("Rscript")
    command = [
        program or "",
        "--vanilla",
        "-e",
        "quit(status = if (requireNamespace('lme4', quietly = TRUE)) 0 else 1)",
    ]
    if program is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("R with lme4 is not installed")


@pytest.fixture
def fake_rscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that puts a shell script called Rscript alone on the PATH."""

    def install(body: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "Rscript"
        program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        program.chmod(0o700)
        monkeypatch.setenv("PATH", os.fspath(folder))
        return tmp_path

    return install
