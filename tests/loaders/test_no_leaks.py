"""No id, name, date or text of a patient or therapist may appear in a message or note."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from alliance_stats.errors import AllianceStatsError
from alliance_stats.loaders.column_map import read_study_data
from alliance_stats.loaders.map_schema import ColumnMap, DataFile
from alliance_stats.loaders.sessions import read_sessions

WriteFile = Callable[[str, str | bytes], Path]

CANARY = "Zsuzsanna-Quibble-19710203"

LEAKY: dict[str, str | bytes] = {
    "duplicate sessions": f"p,s,t,x\n{CANARY},1,{CANARY},1\n{CANARY},1,{CANARY},2\n",
    "missing patient": f"p,s,t,x\n,1,{CANARY},1\n",
    "text as session": f"p,s,t,x\n1,{CANARY},a,1\n",
    "long row": f"p,s,t,x\n1,1,a,1\n1,2,a,1,{CANARY}\n",
    "short row": f"p,s,t,x\n1,1,a,1\n{CANARY},2\n",
    "open quotation mark": f'p,s,t,x\n1,1,a,"{CANARY}\n1,2,a,1\n',
    "binary": f"p,s,t,x\n{CANARY}\0,1,a,1\n",
    "undecodable": f"p,s,t,x\n{CANARY}".encode() + b"\x81,1,a,1\n",
    "no header": f"{CANARY},1,a,2\n{CANARY},2,a,3\n",
    "no header, repeated cells": f"{CANARY},1,{CANARY},1\n{CANARY},1,a,2\n",
}


def everything_shown(problem: BaseException) -> str:
    """Return what a user or a log sees of an error."""
    return "".join(traceback.format_exception(problem))


@pytest.mark.parametrize("case", LEAKY)
def test_errors_show_no_cell(write: WriteFile, case: str) -> None:
    path = write("a.csv", LEAKY[case])
    with pytest.raises(AllianceStatsError) as caught:
        read_sessions(path, patient="p", session="s", therapist="t")
    assert CANARY not in everything_shown(caught.value)


@pytest.mark.parametrize("suffix", [".xlsx", ".sav", ".dta", ".parquet"])
def test_errors_of_other_readers_show_no_cell(write: WriteFile, suffix: str) -> None:
    magic = {".xlsx": b"PK\x03\x04", ".sav": b"$FL2", ".dta": b"<stata_dta>", ".parquet": b"PAR1"}[suffix]
    path = write(f"a{suffix}", magic + CANARY.encode() * 20)
    with pytest.raises(AllianceStatsError) as caught:
        read_sessions(path, patient="p")
    assert CANARY not in everything_shown(caught.value)


def test_notes_show_no_cell(write: WriteFile) -> None:
    rows = [f"0{CANARY},1, {CANARY} ,{CANARY}", f"0{CANARY},2,,-99", "007,1,a,1"]
    path = write("a.csv", "p,s,t,x\n" + "\n".join(rows) + "\n")
    frame = read_sessions(path, patient="p", session="s", therapist="t", missing=[-99])
    assert frame.attrs["notes"]
    assert CANARY not in " ".join(frame.attrs["notes"])


JOINS = {
    "repeated key": (f"k,p\n{CANARY},{CANARY}\n{CANARY},b\n", f"k,x\n{CANARY},1\n"),
    "repeated key in the second file": (f"k,p\n{CANARY},a\n", f"k,x\n{CANARY},1\n{CANARY},2\n"),
    "no partner": (f"k,p\n{CANARY},a\n", "k,x\nb,1\n"),
    "text and numbers": (f"k,p\n{CANARY},a\n", "k,x\n1,1\n"),
    "difference": (f"k,p,note\n1,a,{CANARY}\n", "k,note\n1,other\n"),
}


@pytest.mark.parametrize("case", JOINS)
def test_errors_of_joins_show_no_cell(write: WriteFile, case: str) -> None:
    first, second = JOINS[case]
    folder = write("one.csv", first).parent
    write("two.csv", second)
    column_map = ColumnMap(
        study="any",
        level="conversation",
        title="any",
        simulated=True,
        source="any",
        files=(DataFile("one.csv"), DataFile("two.csv", join_on=("k",))),
        columns={"patient": "p"},
    )
    with pytest.raises(AllianceStatsError) as caught:
        read_study_data(column_map, folder)
    assert CANARY not in everything_shown(caught.value)
