"""Public trials, couples and simulated treatments as session tables, with recoded ids."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values, session_order
from alliance_stats.errors import DataError

TRIAL_COLUMNS = ("patient", "month", "grp", "site", "therapist", "age_years", "female", "phq9", "hamd", "hamd.b")
COUPLE_COLUMNS: Mapping[str, str] = {
    "CoupleID": "couple",
    "Partnum": "member",
    "Gender_A": "role",
    "Yearsmar": "years_married_c",
    "SelfPos_A": "self_pos_a",
    "OtherPos_A": "other_pos_a",
    "Satisfaction_A": "satisfaction_a",
    "Tension_A": "tension_a",
    "SimHob_A": "simhob_a",
    "SelfPos_P": "self_pos_p",
    "OtherPos_P": "other_pos_p",
    "Satisfaction_P": "satisfaction_p",
    "Tension_P": "tension_p",
    "SimHob_P": "simhob_p",
}
SESSION_KEYS = ("pairing_id", "session_id")
BEHAVIOURS = ("GI", "Persuade", "Persuade_with", "Q", "SR", "CR", "AF", "Seek", "Emphasize", "Confront")
BEHAVIOUR_COLUMNS = (*SESSION_KEYS, *BEHAVIOURS, "total_mi_adherent", "total_mi_non_adherent")
SESSION_COLUMNS = (
    *("pairing_id", "therapist_id", "patient_id", "dyad_id", "session_id", "composite_wai"),
    *("total_sure_score", "total_srs_score", "neq_total_effects_experienced", "neq_total_severity_score"),
    *("technical_global", "relational_global", "percent_mi_adherent", "percent_cr", "r_q_ratio"),
    *("crisis_event_harm_to_self_count", "crisis_event_harm_to_others_count", "crisis_event_psych_count"),
    *("total_adverse_outcomes_count", "suicide_count", "assess_count", "de_escalate_count"),
    *("recommend_emergency_services_count", "request_human_consultation_count", "dropout_count"),
)
WAI_TOTALS = ("total_wai_task", "total_wai_bond", "total_wai_goal", "composite_wai")
WAI_QUESTIONS = tuple(f"question{number}" for number in range(1, 37))
# The seven answers of the Working Alliance Inventory; the totals in the same file confirm the order.
WAI_ANSWERS: Mapping[str, int] = {
    "Never": 1,
    "Rarely": 2,
    "Occasionally": 3,
    "Sometimes": 4,
    "Often": 5,
    "Very Often": 6,
    "Always": 7,
}

_SUPPORT = ("AF", "Seek", "Emphasize", "SR", "CR")
_CONTROL = ("Persuade", "Confront")
_HINT = "save the file again from its address; this may be another version of the data."


def depression_trial(rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the REFRAMED trial as one row per patient and month.

    Parameters
    ----------
    rows : DataFrame
        Columns `TRIAL_COLUMNS`; month is a number or the text "Post-Rx".

    Returns
    -------
    frame : DataFrame
        patient (1, 2, ...), site, therapist (T01, T02, ...; missing without one), arm, month, phq9, hamd, hamd_baseline,
        female, age_decade.
    notes : tuple of str

    Raises
    ------
    DataError
        If a month is neither a whole number nor "Post-Rx".
    """
    months = rows["month"].astype(object).map(str).str.strip()
    dated = (months != "Post-Rx").to_numpy()
    kept = rows[dated].reset_index(drop=True).assign(month=months[dated].to_numpy())
    numbers = pd.to_numeric(kept["month"], errors="coerce").to_numpy(dtype=float)
    wrong = int((~(numbers == np.round(numbers))).sum())
    if wrong or not dated.any():
        raise DataError.build(f"{wrong} of {len(rows)} rows have a month that is no whole number.", hint=_HINT)
    lost = rows[~dated]
    n_answers = int(lost[["phq9", "hamd"]].notna().any(axis=1).sum())
    frame = pd.DataFrame(
        {
            "patient": _numbered(kept["patient"]),
            "site": kept["site"],
            "therapist": _coded(kept["therapist"], "T"),
            "arm": kept["grp"],
            "month": numbers.astype("int64"),
            "phq9": numeric_values(kept, "phq9"),
            "hamd": numeric_values(kept, "hamd"),
            "hamd_baseline": numeric_values(kept, "hamd.b"),
            "female": kept["female"],
            "age_decade": np.floor(numeric_values(kept, "age_years") / 10) * 10,
        }
    )
    return frame, (
        f"Rows without a month ('Post-Rx') that were left out: {len(lost)}, of them with a rating: {n_answers}.",
        "Changed: ids of patients and therapists are new, age is in decades, income and personality disorder are left out.",
        f"PHQ-9 values that are no whole number from 0 to 27, kept as published: {_n_odd(frame['phq9'])}.",
    )


def couples(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the Acitelli couples as one row per partner.

    Parameters
    ----------
    rows : DataFrame
        Columns of `COUPLE_COLUMNS`.

    Returns
    -------
    DataFrame
        person (a text for each partner), couple, member (1 or 2), role ("Wife" or "Husband"), years_married_c (centred by the
        authors), and self_pos, other_pos, satisfaction, tension, simhob of the person (_a) and of the partner (_p).

    Raises
    ------
    DataError
        If a couple has not two members, or a role is unknown.
    """
    frame = rows[list(COUPLE_COLUMNS)].rename(columns=dict(COUPLE_COLUMNS))
    frame["role"] = frame["role"].astype(object).map(_role)
    for name in frame.columns.drop("role"):
        values = numeric_values(frame, name)
        whole = bool(np.isfinite(values).all()) and bool((values == np.round(values)).all())
        frame[name] = values.astype("int64") if whole else values
    wrong = int((frame.groupby("couple")["role"].nunique() != 2).sum()) + int((frame["role"] == "").sum())
    if wrong or bool(frame.duplicated(["couple", "member"]).any()):
        raise DataError.build("Not every couple has one wife and one husband.", hint=_HINT)
    person = frame["couple"].map(str) + "-" + frame["member"].map(str)
    frame.insert(0, "person", person)
    return frame


def simulated_sessions(sessions: pd.DataFrame, behaviours: pd.DataFrame) -> pd.DataFrame:
    """Return the simulated counselling sessions with the codes of what the therapist said.

    Parameters
    ----------
    sessions : DataFrame
        Columns `SESSION_COLUMNS`, one row per session.
    behaviours : DataFrame
        Columns `BEHAVIOUR_COLUMNS`, at most one row per session.

    Returns
    -------
    DataFrame
        One row per session: its columns, the counts (NaN where a session was not coded), total, and the shares of support and
        control (NaN where nothing was counted).

    Raises
    ------
    DataError
        If a session has several rows, or its number is not whole.
    """
    keyed = _keyed(sessions, "sessions")
    counted = _keyed(behaviours, "coded sessions")
    for name in BEHAVIOURS:
        counted[name] = numeric_values(counted, name)
    joined: pd.DataFrame = keyed.merge(counted, on=list(SESSION_KEYS), how="left")
    total = joined[list(BEHAVIOURS)].sum(axis=1)
    known = total.where(total > 0)
    joined["total"] = total
    joined["support"] = joined[list(_SUPPORT)].sum(axis=1) / known
    joined["control"] = joined[list(_CONTROL)].sum(axis=1) / known
    return joined


def simulated_alliance(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the alliance ratings of the simulated sessions as numbers.

    Parameters
    ----------
    answers : DataFrame
        `SESSION_KEYS`, `WAI_QUESTIONS` (labels of the seven answers), `WAI_TOTALS`.

    Returns
    -------
    DataFrame
        One row per session: `SESSION_KEYS`, the published totals, wai1 to wai36 (1 to 7, NaN where there is no answer).

    Raises
    ------
    DataError
        If a session has several rows, or an answer is none of the seven.
    """
    keyed = _keyed(answers, "rated sessions")
    items = keyed[list(WAI_QUESTIONS)].astype(object)
    texts = items.apply(lambda column: column.map(lambda cell: cell.strip() if isinstance(cell, str) else cell))
    numbers = texts.apply(lambda column: column.map(dict(WAI_ANSWERS))).astype(float)
    wrong = int((numbers.isna() & items.notna()).to_numpy().sum())
    if wrong:
        raise DataError.build(f"{wrong} of {items.size} answers are none of the seven labels.", hint=_HINT)
    names = {question: f"wai{number}" for number, question in enumerate(WAI_QUESTIONS, 1)}
    table: pd.DataFrame = keyed[[*SESSION_KEYS, *WAI_TOTALS]].join(numbers.rename(columns=names))
    return table


def _keyed(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return the frame with whole numbers as keys, one row for each."""
    keyed = frame.assign(**{key: session_order(frame, key) for key in SESSION_KEYS})
    again = int(keyed.duplicated(list(SESSION_KEYS)).sum())
    if again:
        raise DataError.build(f"{again} rows of the {what} repeat an earlier one.", hint=_HINT)
    return keyed


def _numbered(ids: pd.Series) -> np.ndarray:
    """Return ids as numbers from 1 in order of appearance, shape (n_rows,)."""
    codes, _ = pd.factorize(ids)
    return codes + 1


def _coded(ids: pd.Series, letter: str) -> list[str | None]:
    """Return ids as a letter and a number in order of appearance, None where missing."""
    codes, levels = pd.factorize(ids)
    width = max(2, len(str(len(levels))))
    return [None if code < 0 else f"{letter}{code + 1:0{width}d}" for code in codes]


def _role(cell: object) -> str:
    """Return "Wife" or "Husband", empty for anything else."""
    text = str(cell).strip().lower()
    return {"wife": "Wife", "husband": "Husband"}.get(text, "")


def _n_odd(values: pd.Series) -> int:
    """Return how many values are no whole number from 0 to 27."""
    known = values.dropna()
    return int(((known != known.round()) | (known < 0) | (known > 27)).sum())
