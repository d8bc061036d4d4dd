"""Reliable change from all measurements: each person's slope in a mixed model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import group_codes, numeric_values, one_column
from alliance_stats.errors import DataError, ModelError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.scales.arguments import require_frame
from alliance_stats.scales.change_tables import require_level
from alliance_stats.scales.cutoffs import require_direction
from alliance_stats.scales.instrument_parts import Direction
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.reliable_change import Meaning, ReliableChange, changed, classify

IntArray = npt.NDArray[np.int64]
Reference = Literal["no_change", "average_change"]


def multilevel_change(
    frame: pd.DataFrame,
    score: str,
    *,
    direction: Direction,
    compare_with: Reference,
    time: str = "session",
    by: str | None = None,
    level: float = 0.95,
) -> ReliableChange:
    """Judge each patient's change over all measurements by the slope in a growth model.

    Needs no reliability: error is estimated from the spread around the courses. Use it with three or more measurements
    per patient; with two `reliable_change` is as good.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and measurement, with a column ``patient``.
    score : str
        The score at each measurement.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher score means.
    compare_with : {"no_change", "average_change"}
        Whether a patient's slope is compared with zero, or with the mean slope. The two answer different questions: who
        changed, and who changed more than the others; software differs in which it gives.
    time : str
        Column of the time, in the unit the slope is to have.
    by : str, optional
        Column of groups for the table of shares; constant within patients.
    level : float in (0, 1)
        Coverage; a slope is reliable if its interval excludes the slope it is compared with.

    Returns
    -------
    ReliableChange
        ``change`` is the patient's slope (points per unit of time), the same in all rows of a patient; first and last
        scores are those at the earliest and latest time. Shares count patients.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If ``by`` changes within a patient.
    ModelError
        If slopes do not vary between patients, or the model cannot be fitted.

    See Also
    --------
    reliable_change, lmm

    Notes
    -----
    Model: score ~ time + (time | patient), by REML. The index is (slope of the patient - reference) divided by the
    conditional standard deviation of the patient's random slope given the variance components and fixed effects
    (empirical Bayes; Raudenbush & Bryk, 2002, Hierarchical Linear Models). Shrinkage pulls slopes of patients with few
    measurements to the mean slope; uncertainty of the mean slope itself is not added. Where slopes hardly vary, nearly
    everyone gets the mean slope, and comparing it with no change says more about the sample than about the patient; the
    notes give the reliability of the slopes, 1 - conditional variance / variance between patients, averaged over patients.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "ors", items="ors_{}")
    >>> change = al.multilevel_change(sessions, "ors_sum", direction="higher_is_better", compare_with="no_change")
    >>> change.tidy().set_index("category")["n_people"].to_dict()
    {'improved': 502, 'unchanged': 98, 'deteriorated': 0}
    """
    require_level(level)
    require_direction(direction)
    if compare_with not in ("no_change", "average_change"):
        raise DataError.build(
            f"No reference '{compare_with}'.", hint="use compare_with='no_change' or 'average_change'."
        )
    from scipy.stats import norm

    require_frame(frame, "multilevel_change")
    codes, n_patients = group_codes(frame, "patient")
    used = _used_rows(frame, score, time, codes)
    _require_constant(frame, by, codes)
    average, found, error, reliability = _slopes(used, n_patients)
    numbers = {
        "average_slope": average,
        "slope_reliability": reliability,
        "compared_with": average if compare_with == "average_change" else 0.0,
        "critical": float(norm.ppf((1 + level) / 2)),
        "n_rows": len(used),
    }
    index = (found - numbers["compared_with"]) / error
    pre, post = _ends(used, n_patients)
    return changed(
        frame,
        pre=_spread(pre, codes),
        post=_spread(post, codes),
        classes=_spread_labels(classify(index, numbers["critical"], direction), codes),
        values=_spread(index, codes),
        bands=pd.DataFrame(columns=["pre", "post_low", "post_high"], dtype=float),
        meaning=Meaning(
            outcome=score,
            method="multilevel",
            direction=direction,
            by=by,
            level=level,
            numbers=numbers,
            people=_first_rows(codes),
            change=_spread(found, codes),
            notes=(*_notes(score, time, compare_with, numbers), *_row_notes(used, len(frame))),
        ),
    )


def _used_rows(frame: pd.DataFrame, score: str, time: str, codes: IntArray) -> pd.DataFrame:
    """Return score, time and patient number of the rows that have all three."""
    rows = pd.DataFrame({"score": numeric_values(frame, score), "time": numeric_values(frame, time), "patient": codes})
    return rows[codes >= 0].dropna()


def _require_constant(frame: pd.DataFrame, by: str | None, codes: IntArray) -> None:
    """Raise if the groups of the table change within patients."""
    if by is None:
        return
    values = one_column(frame, by)[codes >= 0]
    n_varying = int((values.groupby(codes[codes >= 0]).nunique() > 1).sum())
    if n_varying:
        raise DataError.build(
            f"'{by}' changes within {n_varying} patients; shares count patients.",
            hint="group by something that a patient keeps, such as the treatment or the site.",
        )


def _slopes(used: pd.DataFrame, n_patients: int) -> tuple[float, FloatArray, FloatArray, float]:
    """Return the mean slope, slope and conditional SD of each patient (NaN without rows), and their mean reliability."""
    fit = lmm("score ~ time + (time | patient)", used)
    average = float(fit.fixed_effects["time"])
    effects = fit.random_effects("patient")
    effects = effects[effects["term"] == "time"].sort_values("level")
    spread = effects["std_error"].to_numpy(dtype=float)
    if not (spread > 0).all():
        raise ModelError.build(
            "Slopes are estimated not to vary between patients: every patient has the average slope.",
            hint="use reliable_change() on first and last scores.",
        )
    found, error = np.full(n_patients, np.nan), np.full(n_patients, np.nan)
    places = effects["level"].to_numpy().astype(np.int64)
    found[places], error[places] = average + effects["estimate"].to_numpy(dtype=float), spread
    table = fit.variance_components()
    variance = table.loc[(table["kind"] == "variance") & (table["term"] == "time"), "estimate"].astype(float).sum()
    return average, found, error, float(1 - (spread**2).mean() / variance)


def _ends(used: pd.DataFrame, n_patients: int) -> tuple[FloatArray, FloatArray]:
    """Return the scores at the earliest and latest time per patient, each of shape (n_patients,)."""
    ordered = used.sort_values(["patient", "time"], kind="stable").groupby("patient")["score"]
    ends = (np.full(n_patients, np.nan), np.full(n_patients, np.nan))
    for values, chosen in zip(ends, (ordered.first(), ordered.last()), strict=True):
        values[chosen.index.to_numpy().astype(np.int64)] = chosen.to_numpy()
    return ends


def _spread(values: FloatArray, codes: IntArray) -> FloatArray:
    """Return each row's value of its patient, NaN where the patient is missing; shape (n_rows,)."""
    result: FloatArray = np.where(codes >= 0, values[np.maximum(codes, 0)], np.nan)
    return result


def _spread_labels(labels: npt.NDArray[np.object_], codes: IntArray) -> npt.NDArray[np.object_]:
    """Return each row's class of its patient, None where the patient is missing; shape (n_rows,)."""
    result = labels[np.maximum(codes, 0)]
    result[codes < 0] = None
    return result


def _first_rows(codes: IntArray) -> npt.NDArray[np.bool_]:
    """Return which rows are the first of a patient, shape (n_rows,)."""
    first = np.zeros(codes.size, dtype=bool)
    known, rows = np.unique(codes, return_index=True)
    first[rows[known >= 0]] = True
    return first


def _notes(score: str, time: str, compare_with: str, numbers: Mapping[str, float]) -> list[str]:
    """Return what the judgement rests on, in words."""
    against = "zero" if compare_with == "no_change" else "the average slope"
    return [
        f"Slopes of '{score}' per unit of '{time}' from score ~ time + (time | patient), REML; average "
        f"{numbers['average_slope']:.4g}. Each patient's slope is compared with {against}.",
        f"Reliability of the slopes {numbers['slope_reliability']:.2f}: near 0 they hardly tell patients apart, and all "
        "are drawn to the average.",
        "Shares count patients. First and last scores are those at the earliest and latest time.",
    ]


def _row_notes(used: pd.DataFrame, n_rows: int) -> list[str]:
    """Return how many rows are not used, or stand twice."""
    n_left_out, n_repeated = n_rows - len(used), int(used.duplicated(["patient", "time"]).sum())
    notes = []
    if n_left_out:
        notes.append(f"{n_left_out} rows lack patient, time or score and are left out of the model.")
    if n_repeated:
        notes.append(f"{n_repeated} rows repeat the patient and time of an earlier row and count as measurements too.")
    return notes
