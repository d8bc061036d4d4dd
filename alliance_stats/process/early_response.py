"""Early change as a predictor of what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import ID_COLUMNS
from alliance_stats.errors import DataError
from alliance_stats.inference.coefficient_tests import coefficient_tests
from alliance_stats.inference.linear import DfMethod
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.growth_model import GrowthRows, growth_rows
from alliance_stats.process.parts import complete_rows, quoted
from alliance_stats.result import Result

Floats = npt.NDArray[np.float64]

SLOPE, START, LATER_TIME = "early_slope", "early_start", "later_time"


@dataclass(frozen=True, kw_only=True, eq=False)
class EarlyResponse(Result):
    """Early change and the later outcome; made by `early_response`.

    Parameters
    ----------
    outcome : str
    until : float
        Last time of the early part.
    fit : LmmFit
        The mixed model of the later ratings.
    patients : DataFrame
        One row per patient of the model: early_slope and early_start.
    """

    outcome: str
    until: float
    fit: LmmFit = field(repr=False)
    patients: pd.DataFrame = field(repr=False)

    def tidy(self, *, level: float = 0.95, df: DfMethod = "satterthwaite") -> pd.DataFrame:
        """Return one row per fixed effect.

        Parameters
        ----------
        level : float in (0, 1)
        df : {"satterthwaite", "kenward_roger", "between_within", "normal"}

        Returns
        -------
        DataFrame
            outcome, term ("early_slope": points of the later outcome per point of early change per unit of time;
            "early_start"; "later_time"; covariates), estimate, std_error, df, statistic, p_value, conf_low, conf_high,
            conf_level, n (patients), std_estimate (points per SD of the predictor between patients).
        """
        table = coefficient_tests(self.fit, df=df, level=level).tidy()
        spread = self.patients[[SLOPE, START]].std()
        table["std_estimate"] = table["estimate"] * table["term"].map(spread).to_numpy(dtype=float)
        table["n"] = len(self.patients)
        table["outcome"] = self.outcome
        first = ["outcome", "term", "estimate", "std_error", "df", "statistic", "p_value"]
        return table[[*first, "conf_low", "conf_high", "conf_level", "n", "std_estimate"]]

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, last early time, counts, SD of early slopes, residual SD, state of the fit."""
        row = {"outcome": self.outcome, "until": self.until, "n": self.fit.n_obs, "n_patients": len(self.patients)}
        row |= {"sd_early_slope": float(self.patients[SLOPE].std()), "sigma": self.fit.sigma}
        row |= {"converged": self.fit.converged, "singular": self.fit.singular, "formula": self.fit.formula}
        return pd.DataFrame([row])


def early_response(
    frame: pd.DataFrame,
    outcome: str,
    *,
    until: float,
    time: str = "session",
    covariates: Sequence[str] = (),
) -> EarlyResponse:
    """Estimate how early change goes with the level of the outcome afterwards.

    Use it to ask whether patients who improve in the first sessions are better off later. The estimand is the expected
    difference in a later rating between two patients who began at the same level and whose early slopes differ by one
    point per unit of time. It forecasts; it is not the effect of making patients improve early.

    Parameters
    ----------
    frame : DataFrame
        Session table with ``patient`` and the time column, one row per patient and time.
    outcome : str
        Numeric column, in scale points.
    until : float
        Last time of the early part, such as session 4; later ratings are what is predicted. Studies differ in it, so it has
        no default.
    time : str
        Column of times, numbers in one unit.
    covariates : sequence of str
        Further columns that enter as they are.

    Returns
    -------
    EarlyResponse

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If no patient, or too few, have two early ratings and a later one, early slopes do not vary, or a column has two
        roles.
    ModelError, ConvergenceError
        If the data cannot identify the model, or no optimum was found.

    See Also
    --------
    growth, reliable_change

    Notes
    -----
    Each patient's early ratings give a least-squares line: its slope, and its value at the earliest time of the data. Later
    ratings, and only those, are modelled by REML: ``outcome ~ early_slope + early_start + later_time + covariates +
    (1 | patient)``, with an intercept for each therapist if there are several. No rating stands on both sides. Slopes of
    few ratings are known with error, which draws their coefficient towards zero; it is not corrected.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "ors", items="ors_{}")
    >>> result = al.early_response(sessions, "ors_sum", until=4)
    >>> table = result.tidy().set_index("term")
    >>> table.loc[["early_slope", "early_start"], ["estimate", "conf_low", "conf_high"]].round(2)
                 estimate  conf_low  conf_high
    term
    early_slope      1.27      1.11       1.43
    early_start      0.83      0.78       0.88
    """
    added = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    _check_covariates(added, outcome, time)
    data = growth_rows(frame, outcome, time=time, by=None)
    people = _early_lines(data, until)
    later = data.rows[data.times > until].merge(people, left_on="patient", right_index=True, how="inner")
    later = later.assign(**{LATER_TIME: later[time] - until})
    if later.empty or later["patient"].nunique() < 4:
        raise DataError.build(
            f"{later['patient'].nunique()} patients have two ratings up to {until:g} and one after it; 4 or more are needed.",
            hint=f"until= is in the unit of '{time}', which runs from {data.times.min():g} to {data.times.max():g}.",
        )
    later, dropped = complete_rows(later, outcome, added)
    used = people.loc[people.index.isin(later["patient"])]
    if not float(used[SLOPE].std()) > 1e-10 * float(np.abs(data.rows[outcome]).max()):
        raise DataError.build(
            f"Early slopes of '{outcome}' are the same for all {len(used)} patients.",
            hint="nothing can be predicted from them.",
        )
    fit = lmm(_formula(data, later, added), later)
    notes = tuple(_notes(data, later, until, fit, dropped))
    return EarlyResponse(
        outcome=outcome, until=float(until), fit=fit, patients=used.reset_index(drop=True), notes=notes
    )


def _check_covariates(added: Sequence[str], outcome: str, time: str) -> None:
    """Raise a DataError when a column has two roles, or would turn people into terms."""
    wrong = [name for name in added if name in (outcome, time, *ID_COLUMNS, SLOPE, START, LATER_TIME)]
    if wrong:
        raise DataError.build(
            f"'{wrong[0]}' cannot be a covariate here: it has another role in the model.", hint="name each column once."
        )


def _early_lines(data: GrowthRows, until: float) -> pd.DataFrame:
    """Return slope and start of the early line of each patient with two early ratings, one row per patient."""
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


def _formula(data: GrowthRows, later: pd.DataFrame, added: Sequence[str]) -> str:
    """Return the formula of the later ratings."""
    fixed = [
        SLOPE,
        START,
        *([LATER_TIME] if later[LATER_TIME].nunique() > 1 else []),
        *(quoted(name) for name in added),
    ]
    n_patients = later["patient"].nunique()
    groups = ["patient"] if len(later) > n_patients else []
    groups += [name for name in data.above if 2 <= later[name].nunique() < n_patients]
    if not groups:
        raise DataError.build(
            f"Each of the {n_patients} patients has one later rating and there are no therapists: this is a linear regression.",
            hint="use rows of several later sessions.",
        )
    return f"{quoted(data.outcome)} ~ {' + '.join([*fixed, *(f'(1 | {name})' for name in groups)])}"


def _notes(data: GrowthRows, later: pd.DataFrame, until: float, fit: LmmFit, dropped: Sequence[str]) -> list[str]:
    """Return estimand, model, counts and what biases the estimate."""
    n_all, n_used = data.rows["patient"].nunique(), later["patient"].nunique()
    notes = [
        "Estimand: expected difference in a later rating per point of early slope, at the same early start; a forecast, not the "
        "effect of early change.",
        f"Early: {data.time} up to {until:g}; later: after it. No rating is on both sides.",
        f"Model: {fit.formula}; REML.",
        f"N: {len(later)} later ratings of {n_used} patients; {n_all - n_used} of {n_all} patients are left out for want of two "
        "early ratings or a later one, or a covariate.",
        *data.notes,
        *dropped,
        "Early slopes are measured with error, which draws their coefficient towards zero; not corrected.",
    ]
    if fit.singular:
        notes.append("The fit is singular: a random variance is zero; it was kept.")
    return notes
