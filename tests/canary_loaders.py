"""Calls of the functions that read, check, reshape and write tables."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd

import alliance_stats as al
from tests.canary_data import ITEMS, WORD, write_qualtrics, write_redcap
from tests.canary_parts import Calls, column_map, comparison, dataset, redcap, written
from tests.loaders.dataset_files import FILES

LOADERS: dict[str, Calls] = {
    "read_sessions": Calls(
        on_file=lambda d, path: al.read_sessions(path, patient="patient", session="session", therapist="therapist"),
        works=(
            lambda d: al.read_sessions(
                d.folder / "ward.csv", patient="patient", session="session", therapist="therapist"
            ),
            lambda d: al.read_sessions(d.folder / "ward.csv", patient="patient", missing=[f"{WORD} Miller 3", 3]),
        ),
        fails=(
            lambda d: al.read_sessions(d.folder / "ward.csv", patient="pid"),
            lambda d: al.read_sessions(d.folder / "ward.csv", patient="name", session="date"),
            lambda d: al.read_sessions(d.folder / "ward.csv", patient="therapist", session="session"),
            lambda d: al.read_sessions(d.folder / "ward.csv", patient="patient", session="note"),
            lambda d: al.read_sessions(d.folder / "ward.csv", patient="patient", sheet="1"),
        ),
    ),
    "read_qualtrics": Calls(
        on_file=lambda d, path: al.read_qualtrics(path, patient="pid"),
        works=(lambda d: al.read_qualtrics(write_qualtrics(d), patient="pid"),),
        fails=(
            lambda d: al.read_qualtrics(write_qualtrics(d), patient="nobody"),
            lambda d: al.read_qualtrics(write_qualtrics(d), patient="pid", session="Q2"),
            lambda d: al.read_qualtrics(write_qualtrics(d), patient="pid", recode={"Q2": {"Seldom": 1}}),
            lambda d: al.read_qualtrics(write_qualtrics(d), patient="pid", recode={"Q1": {"Seldom": 1}}, loops=True),
        ),
    ),
    "read_redcap": Calls(
        on_file=lambda d, path: al.read_redcap(path, dictionary=write_redcap(d)[1], form="session"),
        works=(redcap, lambda d: redcap(d, therapist="th", keep_identifiers=True)),
        fails=(
            lambda d: redcap(d, form="absent"),
            lambda d: redcap(d, therapist="nobody"),
            lambda d: redcap(d, events={"a": 1}),
            lambda d: redcap(d, missing={"-99": "refused"}),
            lambda d: al.read_redcap(write_redcap(d)[0], dictionary=d.folder / "ward.csv", form="session"),
        ),
    ),
    "labels": Calls(on_frame=lambda d, frame: al.labels(frame)),
    "missing_reasons": Calls(
        on_frame=lambda d, frame: al.missing_reasons(frame, "ors"),
        fails=(lambda d: al.missing_reasons(d.frame, "nothing"),),
    ),
    "codebook": Calls(on_frame=lambda d, frame: al.codebook(frame)),
    "write_sessions": Calls(
        on_frame=lambda d, frame: al.write_sessions(frame, d.folder / "out.xlsx", overwrite=True),
        works=tuple(partial(written, name=name) for name in ("a.csv", "a.xlsx", "a.sav", "a.dta", "a.parquet")),
        fails=(
            lambda d: al.write_sessions(d.frame, d.folder / "out.docx"),
            lambda d: al.write_sessions(d.frame, d.folder / "ward.csv"),
            lambda d: al.write_sessions(d.frame, d.folder / "absent" / "a.csv"),
            lambda d: al.write_sessions(d.frame.assign(note=[[f"{WORD}"]] * len(d.frame)), d.folder / "b.sav"),
            lambda d: al.write_sessions(
                d.frame.astype({"note": object}).assign(x=[WORD, *[1] * 179]), d.folder / "b.parquet"
            ),
            lambda d: al.write_sessions(
                d.frame.astype({"note": object}).assign(x=[WORD, *[1] * 179]), d.folder / "b.dta"
            ),
        ),
    ),
    "pseudonymise": Calls(
        on_frame=lambda d, frame: al.pseudonymise(
            frame, key=f"{WORD} long secret", study="ward", dates=["date"], ages=["age"]
        ),
        works=(
            lambda d: al.pseudonymise(
                d.frame, key=b"Qzxjkw a long secret", study=WORD, ids=["phone"], free_text="keep"
            ),
        ),
        fails=(
            lambda d: al.pseudonymise(d.frame, key=WORD, study="ward"),
            lambda d: al.pseudonymise(d.frame, key=f"{WORD} long secret", study="ward", dates=["note"]),
            lambda d: al.pseudonymise(d.frame, key=f"{WORD} long secret", study="ward", ages=["note"]),
            lambda d: al.pseudonymise(d.frame, key=f"{WORD} long secret", study="ward", ids=["absent"]),
        ),
    ),
    "k_anonymity": Calls(
        on_frame=lambda d, frame: al.k_anonymity(frame, ["therapist", "age", "name"]),
        fails=(lambda d: al.k_anonymity(d.frame, ["absent"]), lambda d: al.k_anonymity(d.frame, ["note"], k=0)),
    ),
    "suppress_small_cells": Calls(
        on_frame=lambda d, frame: al.suppress_small_cells(frame),
        works=(lambda d: al.suppress_small_cells(pd.crosstab(d.frame["therapist"], d.frame["arm"])),),
    ),
    "check_sessions": Calls(
        on_frame=lambda d, frame: al.check_sessions(frame, date="date"),
        works=(lambda d: al.check_sessions(d.frame, ratings=list(ITEMS), ranges={"wai_1": (1, 2)}),),
        fails=(
            lambda d: al.check_sessions(d.frame, date="note"),
            lambda d: al.check_sessions(d.frame, ratings=["note"]),
            lambda d: al.check_sessions(d.frame, ranges={"name": (1, 2)}),
        ),
    ),
    "preview_long": Calls(
        on_frame=lambda d, frame: al.preview_long(frame, "wai_{item}_t{session}"),
        works=(lambda d: al.preview_long(d.wide(), "wai{item}_t{session}"),),
    ),
    "to_long": Calls(
        on_frame=lambda d, frame: al.to_long(frame, "wai_{session}"),
        works=(lambda d: al.to_long(d.wide(), "wai{item}_t{session}"),),
        fails=(lambda d: al.to_long(pd.concat([d.wide()] * 2), "wai{item}_t{session}"),),
    ),
    "to_wide": Calls(
        on_frame=lambda d, frame: al.to_wide(frame, ["ors"]), fails=(lambda d: al.to_wide(d.frame, ["ors", "absent"]),)
    ),
    "list_samples": Calls(works=(lambda d: al.list_samples(),)),
    "load_sample": Calls(
        works=(lambda d: al.load_sample("therapist_statements"),), fails=(lambda d: al.load_sample("none"),)
    ),
    "sample_card": Calls(
        works=(lambda d: al.sample_card("therapist_statements"),), fails=(lambda d: al.sample_card("none"),)
    ),
    "fetch_dataset": Calls(
        works=tuple(partial(dataset, name=name) for name in FILES),
        fails=(
            lambda d: [dataset(d, "esconv"), al.fetch_dataset("esconv", folder=d.folder)],
            lambda d: al.fetch_dataset("acitelli", folder=d.folder, progress=False),
            lambda d: al.fetch_dataset("reframed", folder=d.file("reframed.csv", f"{WORD},1\n{WORD},2\n").parent),
        ),
    ),
    "list_datasets": Calls(works=(lambda d: al.list_datasets(),)),
    "list_column_maps": Calls(works=(lambda d: al.list_column_maps(),)),
    "read_column_map": Calls(works=(column_map,), fails=(lambda d: al.read_column_map("absent"),)),
    "read_comparison": Calls(works=(comparison,), fails=(lambda d: comparison(d, WORD), lambda d: comparison(d, "-"))),
    "read_study_data": Calls(
        works=(lambda d: al.read_study_data(column_map(d), d.folder / "ward.csv"),),
        on_file=lambda d, path: al.read_study_data(column_map(d), path),
    ),
    "course_table": Calls(
        on_frame=lambda d, frame: al.course_table(replace(column_map(d), course="dyad"), frame),
        works=(lambda d: al.course_table(replace(column_map(d), course="name"), d.frame),),
    ),
}
