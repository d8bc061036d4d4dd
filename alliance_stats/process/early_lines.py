"""Each patient's line through the early ratings, and what becomes of every row of the table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, agreeing, counted
from alliance_stats.process.growth_rows import GrowthRows
from alliance_stats.process.rated_rows import left_out_words

SLOPE, START, LATER_TIME, LATER_MEAN = "early_slope", "early_start", "later_time", "later_mean"
"""Columns that the analysis makes."""

FEWEST = 4
"""Patients without whom slope, start, intercept and a variance cannot be told apart."""


@dataclass(frozen=True, eq=False)
class EarlyAndLater:
    """Later ratings with the early lines of their patients.

    Parameters
    ----------
    later : DataFrame
        One row per later rating of a patient with an early line: the columns of the model.
    patients : DataFrame
        One row per patient of ``later``: early_slope, early_start, later_mean.
    account : str
        A sentence on rows given, used early, analysed and left out.
    n_without : int
        Patients with a rating who are not in ``later``.
    """

    later: pd.DataFrame = field(repr=False)
    patients: pd.DataFrame = field(repr=False)
    account: str
    n_without: int


def early_and_later(data: GrowthRows, until: float, covariates: tuple[str, ...]) -> EarlyAndLater:
    """Return the rows of the model; raise if too few patients have both early and later ratings."""
    lines = _early_lines(data, until)
    early = data.times <= until
    names = ["patient", data.outcome, data.time, *covariates, *(n for n in ("therapist", "dyad") if n in data.rows)]
    rows = data.rows[list(dict.fromkeys(names))]
    with_line = rows["patient"].isin(lines.index).to_numpy()
    later = rows[with_line & ~early]
    filled = later[list(covariates)].notna().all(axis=1).to_numpy()
    without = {
        f"without {name}": int(lost) for name, lost in zip(covariates, _first_missing(later, covariates), strict=True)
    }
    later = later[filled]
    in_model = rows["patient"].isin(later["patient"]).to_numpy()
    n_patients = int(later["patient"].nunique())
    if n_patients < FEWEST:
        who = f"{counted(n_patients, 'patient')} {agreeing(n_patients, 'has', 'have')}"
        raise DataError.build(
            f"{who} two ratings up to {until:g} and one after it; {FEWEST} or more are needed.",
            hint=f"until= is in the unit of '{data.time}', which runs from {data.times.min():g} to {data.times.max():g}.",
        )
    reasons = {
        **data.left_out,
        "of patients without two early times": int((~with_line).sum()),
        **without,
        "of patients without a later row to analyse": int((with_line & early & ~in_model).sum()),
    }
    account = (
        f"Rows: {data.n_given}; {int((early & in_model).sum())} up to {until:g} give the early slopes and {len(later)} after it "
        f"are analysed; {left_out_words(reasons)}."
    )
    later = later.merge(lines, left_on="patient", right_index=True, how="left")
    later = later.assign(**{LATER_TIME: later[data.time] - until})
    used = lines[lines.index.isin(later["patient"])]
    means = later.groupby("patient", observed=True)[data.outcome].mean()
    patients = used.assign(**{LATER_MEAN: means}).reset_index(drop=True)
    return EarlyAndLater(later, patients, account, int(rows["patient"].nunique()) - n_patients)


def _first_missing(later: pd.DataFrame, covariates: tuple[str, ...]) -> list[int]:
    """Return for each covariate how many rows lack it and no covariate before it."""
    missing = later[list(covariates)].isna().to_numpy(dtype=bool).reshape(len(later), len(covariates))
    earlier = np.cumsum(missing, axis=1) - missing
    return [int(count) for count in (missing & (earlier == 0)).sum(axis=0)]


def _early_lines(data: GrowthRows, until: float) -> pd.DataFrame:
    """Return slope and start of the early line of each patient with two early times, one row per patient."""
    early = pd.DataFrame({"patient": data.rows["patient"], "t": data.times, "y": data.rows[data.outcome]})
    early = early[early["t"] <= until].assign(t=lambda rows: rows["t"] - data.times.min())
    if early.empty:
        raise DataError.build(
            f"No rating lies at or before {until:g}.",
            hint=f"until= is in the unit of '{data.time}', which runs from {data.times.min():g} to {data.times.max():g}.",
        )
    own = early.groupby("patient", observed=True)
    t, y = early["t"] - own["t"].transform("mean"), early["y"] - own["y"].transform("mean")
    sums = pd.DataFrame({"patient": early["patient"], "tt": t * t, "ty": t * y}).groupby("patient", observed=True).sum()
    sums = sums[sums["tt"] > 0]
    slope = sums["ty"] / sums["tt"]
    start = own["y"].mean().loc[slope.index] - slope * own["t"].mean().loc[slope.index]
    return pd.DataFrame({SLOPE: slope, START: start})
