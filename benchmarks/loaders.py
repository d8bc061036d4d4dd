"""How long reading takes beside the readers underneath: ``python -m benchmarks.loaders``.

Each file is read in turn by the bare reader and by `read_sessions`, several times; the fastest of each counts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import measure

os.environ.update(measure.ONE_THREAD)  # before NumPy is imported

import numpy as np
import pandas as pd
import pyreadstat

from alliance_stats.loaders.sessions import read_sessions
from benchmarks import machine

LIMITS = {".csv": 2.0, ".sav": 1.5, ".parquet": 1.5}
"""How many times the bare reader a file may take."""


def sessions(n_rows: int, n_items: int) -> pd.DataFrame:
    """Return sessions of whole numbers with a decimal score in the last column."""
    rng = np.random.default_rng(1)
    numbers = {
        "pid": np.arange(n_rows) // 20,
        "sess": np.arange(n_rows) % 20,
        "ther": np.arange(n_rows) // 2000,
        **{f"wai_{k}": rng.integers(1, 8, n_rows) for k in range(1, n_items + 1)},
        "ors": np.round(rng.uniform(0, 40, n_rows), 1),
    }
    return pd.DataFrame(numbers)


def write_csv(path: Path, n_rows: int) -> None:
    """Write 16 columns of numbers."""
    sessions(n_rows, 12).to_csv(path, index=False)


def labelled(n_rows: int) -> pd.DataFrame:
    """Return answers with codes for missing, blanks, a text and a date: 24 columns."""
    rng = np.random.default_rng(2)
    frame = sessions(n_rows, 20).drop(columns=["ther", "ors"]).astype(float)
    for name in frame.columns[2:]:
        frame.loc[rng.random(n_rows) < 0.05, name] = -99
        frame.loc[rng.random(n_rows) < 0.02, name] = np.nan
    frame["note"] = rng.choice(["yes", "no", "unknown", ""], n_rows)
    frame["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n_rows), unit="D")
    return frame


def write_sav(path: Path, n_rows: int) -> None:
    """Write labelled answers, eight columns with a code declared missing."""
    frame = labelled(n_rows)
    items = [name for name in frame.columns if name.startswith("wai")]
    pyreadstat.write_sav(
        frame,
        str(path),
        column_labels={name: f"Item {name}" for name in items},
        variable_value_labels={name: {1.0: "never", 7.0: "always", -99.0: "refused"} for name in items},
        missing_ranges={name: [-99] for name in items[:8]},
    )


def write_parquet(path: Path, n_rows: int) -> None:
    """Write labelled answers as parquet, whole numbers as integers."""
    labelled(n_rows).astype({"pid": int, "sess": int}).to_parquet(path)


def fastest(readers: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return the shortest time of each reader, in seconds; they take turns, so that a busy machine hits all alike."""
    best = [float("inf")] * len(readers)
    for _ in range(repeats):
        for place, read in enumerate(readers):
            start = time.perf_counter()
            read()
            best[place] = min(best[place], time.perf_counter() - start)
    return best


def main() -> None:
    """Write the files, time the readers, and print a line for each format."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loaders", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each file")
    parser.add_argument("--repeats", type=int, default=5, help="calls of each reader")
    chosen = parser.parse_args()
    formats: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], object], str]] = {
        ".csv": (write_csv, pd.read_csv, "pandas.read_csv"),
        ".sav": (write_sav, lambda path: pyreadstat.read_sav(str(path)), "pyreadstat.read_sav"),
        ".parquet": (write_parquet, pd.read_parquet, "pandas.read_parquet"),
    }
    print(f"load average {machine.load():.2f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        for suffix, (write, bare, title) in formats.items():
            path = Path(name, f"sessions{suffix}")
            write(path, chosen.rows)
            own = [
                lambda path=path, bare=bare: bare(path),
                lambda path=path: read_sessions(path, patient="pid", session="sess"),
            ]
            seconds = fastest(own, chosen.repeats)
            size = path.stat().st_size / 1e6
            verdict = f"{seconds[1] / seconds[0]:.2f} times (at most {LIMITS[suffix]})"
            print(
                f"{suffix:9} {size:6.0f} MB  {title:20} {seconds[0]:7.3f} s  read_sessions {seconds[1]:7.3f} s  {verdict}"
            )


if __name__ == "__main__":
    main()
