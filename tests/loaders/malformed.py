"""Files that are damaged, lie about themselves, or are no files: each is written, read, and must end in a typed error or a table.

Run as a script in a process of its own: ``python malformed.py FOLDER NAME...``; it prints a line before and after each case.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import pandas as pd

import alliance_stats as al
from alliance_stats.errors import AllianceStatsError
from alliance_stats.loaders.labels import ColumnLabels, with_labels
from alliance_stats.loaders.readers import read_table
from alliance_stats.loaders.workbooks import LABELS_SHEET

CANARY = "Zsuzsanna-Quibble"
MEMORY = 1 << 30
SECONDS = 10
SUFFIXES = (".csv", ".tsv", ".xlsx", ".ods", ".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xpt", ".parquet")
GOLDEN = Path(__file__).parents[1] / "golden" / "files"


@dataclass(frozen=True)
class Case:
    """A file and how it is read; ``outcome`` is "error" where a table would be wrong, "table" where an error would be."""

    name: str
    write: Callable[[Path], bytes | None]
    read: str = "table"
    outcome: str = ""


def frame_of(n_rows: int = 12) -> pd.DataFrame:
    """Return a table with canaries."""
    return pd.DataFrame(
        {
            "patient": [f"{CANARY}{row // 3}" for row in range(n_rows)],
            "session": [row % 3 + 1 for row in range(n_rows)],
            "wai": [float(row % 7) for row in range(n_rows)],
            "note": [f"{CANARY} {row} ä" for row in range(n_rows)],
        }
    )


def good(suffix: str, folder: Path) -> bytes:
    """Return the bytes of a sound file of a format."""
    import pyreadstat

    from tests.loaders.workbook_parts import archive, ods_cell, ods_parts, ods_row, ods_table

    frame, path = frame_of(), folder / f"good{suffix}"
    labels = {"column_labels": {"wai": "Alliance"}, "variable_value_labels": {"wai": {0.0: "never", 6.0: CANARY}}}
    if suffix == ".sas7bdat":
        return (GOLDEN / "haven.sas7bdat").read_bytes()
    if suffix in (".csv", ".tsv"):
        frame.to_csv(path, sep="," if suffix == ".csv" else "\t", index=False)
    elif suffix == ".xlsx":
        frame.to_excel(path, index=False)
    elif suffix == ".ods":
        rows = [[*frame.columns], *frame.astype(object).to_numpy().tolist()]
        archive(path, ods_parts(ods_table(*(ods_row(*map(ods_cell, row)) for row in rows))))
    elif suffix in (".sav", ".zsav"):
        pyreadstat.write_sav(frame, str(path), compress=suffix == ".zsav", missing_ranges={"wai": [5, 6]}, **labels)
    elif suffix == ".dta":
        pyreadstat.write_dta(frame, str(path), **labels)
    elif suffix == ".parquet":
        with_labels(frame, {"wai": ColumnLabels("Alliance")}).to_parquet(path)
    else:
        write = pyreadstat.write_por if suffix == ".por" else pyreadstat.write_xport
        plain = frame.assign(note="x").rename(columns=str.upper)
        write(plain, str(path))
    return path.read_bytes()


def truncated(suffix: str, share: float) -> Case:
    """Return a file that ends early."""

    def write(path: Path) -> bytes:
        whole = good(suffix, path.parent)
        return whole[: max(int(share * len(whole)), 3) if share < 1 else len(whole) - 1]

    return Case(f"{suffix} cut at {share:g}", write)


def flipped(suffix: str, seed: int) -> Case:
    """Return a file in which some bytes, in the first part of the file for odd seeds, have other values."""

    def write(path: Path) -> bytes:
        whole = bytearray(good(suffix, path.parent))
        rng = np.random.default_rng(seed)
        reach = min(len(whole), 600) if seed % 2 else len(whole)
        for place in rng.integers(4, reach, rng.integers(1, 20)):
            whole[place] = [int(rng.integers(256)), 255, 0, 127][seed % 4]
        return bytes(whole)

    return Case(f"{suffix} with changed bytes {seed}", write)


def shifted(suffix: str, seed: int) -> Case:
    """Return a file that lacks some bytes in the middle."""

    def write(path: Path) -> bytes:
        whole = good(suffix, path.parent)
        rng = np.random.default_rng(seed)
        start, length = int(rng.integers(4, len(whole))), int(rng.integers(1, 300))
        return whole[:start] + whole[start + length :]

    return Case(f"{suffix} without some bytes {seed}", write)


def swapped(suffix: str, other: str) -> Case:
    """Return a file under the ending of another format."""
    alike = {suffix, other} == {".sav", ".zsav"}
    return Case(f"{suffix} which is {other}", lambda path: good(other, path.parent), outcome="" if alike else "error")


def cases() -> dict[str, Case]:
    """Return every case by its name."""
    from tests.loaders import malformed_binary, malformed_text, malformed_workbooks

    binary = SUFFIXES[2:]
    found = [truncated(suffix, share) for suffix in SUFFIXES for share in (0.02, 0.3, 0.6, 0.9, 1)]
    found += [flipped(suffix, seed) for suffix in SUFFIXES for seed in range(4)]
    found += [shifted(suffix, seed) for suffix in binary for seed in (47, 181)]
    found += [swapped(suffix, other) for suffix, other in zip(binary, (*binary[1:], ".csv"), strict=True)]
    found += [*malformed_text.CASES, *malformed_binary.CASES, *malformed_workbooks.CASES]
    by_name = {case.name: case for case in found}
    if len(by_name) < len(found):
        raise ValueError("two cases have one name")
    return by_name


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "table": read_table,
    "sessions": lambda path: al.read_sessions(path, patient="patient", session="session"),
    "sheet": lambda path: read_table(path, sheet="two"),
    "labels sheet": lambda path: read_table(path, sheet=LABELS_SHEET),
    "redcap": lambda path: al.read_redcap(path, dictionary=path.with_name("dictionary.csv"), form="visit"),
    "dictionary": lambda path: al.read_redcap(path.with_name("export.csv"), dictionary=path, form="visit"),
    "qualtrics": lambda path: al.read_qualtrics(path, patient="pid"),
}


def outcome(case: Case, folder: Path) -> str:
    """Write and read a case; return "error", "table", or what is wrong."""
    path = folder / f"a{case.name.split(' ')[0]}"
    content = case.write(path)
    if content is not None:
        path.write_bytes(content)
    user = os.getuid()
    try:
        frame = READERS[case.read](path)
    except AllianceStatsError as problem:
        shown = "".join(traceback.format_exception(problem))
        return "a cell is shown: " + shown if CANARY in shown else "error"
    except BaseException:
        return "".join(traceback.format_exc(limit=-4))
    finally:
        if os.geteuid() != user:
            os.seteuid(user)
    text = " ".join(frame.attrs.get("notes", ())) + al.labels(frame)["missing"].str.cat()
    for column in frame.columns[:20]:
        al.missing_reasons(frame, column)
    if CANARY in text:
        return "a cell is shown in the notes"
    return "table" if len(frame) and frame.columns.is_unique else "a table without rows or with names that repeat"


def say(line: dict[str, object]) -> None:
    """Hand a line to the process that waits."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the cases named on the command line, with bounds on memory and on the time of each."""
    faulthandler.enable()
    warnings.simplefilter("error")
    known = cases()
    import pyarrow.parquet
    import pyreadstat
    import python_calamine

    loaded = (pyarrow.parquet, pyreadstat, python_calamine)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    root = Path(sys.argv[1])
    for number, name in enumerate(sys.argv[2:]):
        folder = root / f"{number}"
        folder.mkdir()
        say({"begins": name, "modules": len(loaded)})
        # Processor time, so that a busy machine fails nothing; the signal ends the process.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        start = time.process_time()
        said = outcome(known[name], folder)
        signal.setitimer(signal.ITIMER_PROF, 0)
        say({"ends": name, "outcome": said, "seconds": time.process_time() - start})


if __name__ == "__main__":
    main()
