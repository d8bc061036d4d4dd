"""How a public function is called, and what the calls are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

import alliance_stats as al
from alliance_stats.loaders.datasets import Dataset, fetched_table, find_dataset
from tests.canary_data import WORD, Canaries, write_redcap
from tests.loaders.dataset_files import FILES, SECRET

Call = Callable[[Canaries], Any]
OnFrame = Callable[[Canaries, Any], Any]


@dataclass(frozen=True)
class Calls:
    """How a public function is called.

    Parameters
    ----------
    on_frame : callable or None
        A call with the table; it is repeated with the table broken in many ways.
    works : tuple of callable
        Further calls that work.
    fails : tuple of callable
        Calls that are wrong.
    on_file : callable or None
        A call with the path of a file; it is repeated with broken files.
    own_data : tuple of str
        Parts of the result that are by definition the user's own data, with the reason in `OWN_DATA`.
    terms_on : tuple of str
        Broken tables in which a predictor the user named holds texts: its categories give the coefficients their names.
    costly : bool
        Takes a second or more: only tables that stop it early are tried.
    """

    on_frame: OnFrame | None = None
    works: tuple[Call, ...] = ()
    fails: tuple[Call, ...] = ()
    on_file: OnFrame | None = None
    own_data: tuple[str, ...] = ()
    terms_on: tuple[str, ...] = ()
    costly: bool = False


OWN_DATA: Mapping[str, str] = {
    "levels": "random_effects(group), level_effects(group) and influence(group) are asked for by group and name its levels",
    "tidy": "each row is one level of the groups that were asked for",
    "frame": "a field that holds the user's rows with columns added",
    "file": "a file that the user asked to be written, with the user's rows",
}
"""What may hold ids, names, dates and texts, and why. Frames that a function returns may hold them as well."""


def measured_error() -> al.MeasurementError:
    """Return the error of measurement of the score."""
    return al.MeasurementError(reliability=0.84, kind="retest", sd=5.5)


def changed(d: Canaries, frame: Any = None) -> al.ReliableChange:
    """Return the change of each patient."""
    rows = d.pairs() if frame is None else frame
    return al.reliable_change(
        rows, ("pre", "post"), method="jacobson_truax", direction="higher_is_better", error=measured_error()
    )


def significance(d: Canaries) -> al.ClinicalSignificance:
    """Return change and cutoff together."""
    return al.clinical_significance(changed(d), al.clinical_cutoff("given", direction="higher_is_better", value=25.0))


def simple(d: Canaries) -> al.LmmFit:
    """Return a model of the sessions of patients."""
    return d.fit("ors ~ session + (1 | patient) + (1 | therapist)")


def effects(d: Canaries) -> al.LevelEffects:
    """Return associations by level."""
    return d.once("effects", lambda: al.level_effects(d.frame, "ors", "wai", covariates=("session",)))


def gains(d: Canaries) -> Any:
    """Return sudden gains."""
    return d.once(
        "gains",
        lambda: al.sudden_gains(d.frame, "ors", cutoff=2, criterion="gaynor", direction="higher_is_better"),
    )


def once_each(d: Canaries) -> pd.DataFrame:
    """Return shares of statements, one row per patient."""
    return shares(d).drop_duplicates("patient")


def shares(d: Canaries, frame: Any = None) -> pd.DataFrame:
    """Return the table with shares of statements."""
    return al.statement_shares(d.frame if frame is None else frame, "helping_skills", counts="n_{}")


def written(d: Canaries, name: str) -> pd.DataFrame:
    """Write the table and read it again."""
    return al.read_sessions(
        al.write_sessions(d.frame, d.folder / name, overwrite=True), patient="patient", session="session"
    )


MAP = """
study = "therapist-statements"
level = "session"
title = "A ward"
simulated = false
source = "made for a test"
[[files]]
[columns]
patient = "patient"
session = "session"
therapist = "therapist"
[alliance]
instrument = "wai_sr"
items = "wai_{}"
score = "mean"
[outcome]
column = "ors"
better = "higher"
[statements]
codebook = "helping_skills"
counts_pattern = "n_{}"
[random]
groups = ["patient", "therapist"]
"""
TALKS = """
study = "therapist-statements"
level = "conversation"
title = "Talks"
simulated = false
source = "made for a test"
[[files]]
path = "talks.csv"
[columns]
patient = "name"
[outcome]
column = "ors"
better = "higher"
[statements]
total = "n"
[statements.counts]
supportive = ["n_a"]
[comparison]
path = "others.csv"
label = "others"
total = "n"
[comparison.counts]
supportive = ["n_a"]
"""


def column_map(d: Canaries) -> al.ColumnMap:
    """Return the map of the table."""
    return al.read_column_map(d.file("map.toml", MAP))


def comparison(d: Canaries, count: str = "1") -> pd.DataFrame:
    """Return the conversations to compare with."""
    d.file("others.csv", f"name,note,n,n_a\n{WORD} A,{WORD},3,{count}\n{WORD} B,{WORD},2,2\n")
    return al.read_comparison(d.file("talks.toml", TALKS), d.folder)


def dataset(d: Canaries, name: str) -> pd.DataFrame:
    """Return a public data set with secrets in its texts."""
    for file, text in FILES[name].items():
        d.file(file, text.replace(SECRET, f"{WORD} said"))
    card = find_dataset(name)
    parts = {part: getattr(card, part) for part in ("title", "level", "licence", "citation", "column_map", "files")}
    return fetched_table(Dataset(name=name, rows=None, **parts), folder=d.folder)


def redcap(d: Canaries, **options: Any) -> pd.DataFrame:
    """Read an export of REDCap."""
    export, dictionary = write_redcap(d)
    return al.read_redcap(export, dictionary=dictionary, form=options.pop("form", "session"), **options)
