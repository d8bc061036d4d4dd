"""Early change as a predictor of what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import ID_COLUMNS
from alliance_stats.errors import DataError, agreeing, counted
from alliance_stats.inference.coefficient_tests import coefficient_tests
from alliance_stats.inference.linear import DfMethod, require_level
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import fit_design
from alliance_stats.process.arguments import column_names, number
from alliance_stats.process.early_lines import LATER_MEAN, LATER_TIME, EarlyAndLater, early_and_later
from alliance_stats.process.early_lines import SLOPE as SLOPE
from alliance_stats.process.early_lines import START as START
from alliance_stats.process.exact_courses import design_with_residual
from alliance_stats.process.growth_rows import GrowthRows, growth_rows, require_free, units_above
from alliance_stats.process.parts import quoted
from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EarlyResponse(Result):
    """Early change and the later outcome; made by `early_response`.

    Parameters
    ----------
    outcome, time : str
    until : float
        Last time of the early part.
    covariates : tuple of str
    level : float in (0, 1)
        Of the intervals.
    fit : LmmFit
        The mixed model of the later ratings.
    patients : DataFrame
        One row per patient of the model: early_slope, early_start, and later_mean, the mean of the later ratings.
    """

    outcome: str
    time: str
    until: float
    covariates: tuple[str, ...]
    level: float
    fit: LmmFit = field(repr=False)
    patients: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        return (
            f"EarlyResponse({self.outcome}, early up to {self.until:g}, {len(self.patients)} patients, {self.fit.n_obs} later "
            "ratings)"
        )

    def tidy(self, *, level: float | None = None, df: DfMethod = "satterthwaite") -> pd.DataFrame:
        """Return one row per fixed effect.

        Parameters
        ----------
        level : float in (0, 1), optional
            Of the intervals; that of the result if left out.
        df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
            Degrees of freedom, see `coefficient_tests`.

        Returns
        -------
        DataFrame
            outcome, term ("early_slope": points of the later outcome per point of early change per unit of time;
            "early_start"; "later_time"; covariates), estimate, std_error, df, statistic, p_value, conf_low, conf_high,
            conf_level, n (patients), std_estimate, std_conf_low, std_conf_high (of the two early terms: SDs between patients of
            the mean later rating per SD between patients of the term, both taken as known).
        """
        table = coefficient_tests(self.fit, df=df, level=self.level if level is None else level).tidy()
        spread = self.patients[[SLOPE, START, LATER_MEAN]].std()
        later = float(spread[LATER_MEAN])
        ratio = table["term"].map(spread[[SLOPE, START]]) / (later if later > 0 else np.nan)
        for name in ("estimate", "conf_low", "conf_high"):
            table[f"std_{name}"] = (table[name] * ratio).to_numpy(dtype=float)
        table["n"] = len(self.patients)
        table["outcome"] = self.outcome
        first = ["outcome", "term", "estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"]
        return table[[*first, "conf_level", "n", "std_estimate", "std_conf_low", "std_conf_high"]]

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, last early time, counts, SDs between patients, residual SD, state of the fit."""
        row = {"outcome": self.outcome, "until": self.until, "n": self.fit.n_obs, "n_patients": len(self.patients)}
        row |= {f"sd_{name}": float(self.patients[name].std()) for name in (SLOPE, START, LATER_MEAN)}
        row |= {"sigma": self.fit.sigma}
        row |= {"converged": self.fit.converged, "singular": self.fit.singular, "formula": self.fit.formula}
        return pd.DataFrame([row])


def early_response(
    frame: pd.DataFrame,
    outcome: str,
    *,
    until: float,
    time: str = "session",
    covariates: Sequence[str] = (),
    level: float = 0.95,
) -> EarlyResponse:
    """Estimate how early change goes with the level of the outcome afterwards.

    Use it to ask whether patients who improve in the first sessions are better off later. The estimand is the expected
    difference in a later rating between two patients who began at the same level and whose early slopes differ by one
    point per unit of time. It forecasts; it is not the effect of making patients improve early.

    Parameters
    ----------
    frame : DataFrame
        Session table with ``patient`` and the time column, one row per patient and time, of one rater.
    outcome : str
        Numeric column, in scale points.
    until : float
        Last time of the early part, such as session 4; later ratings are what is predicted. Studies differ in it, so it has
        no default.
    time : str
        Column of times, numbers in one unit.
    covariates : sequence of str
        Further columns that enter as they are.
    level : float in (0, 1)
        Of the intervals.

    Returns
    -------
    EarlyResponse

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If no patient, or too few, have two early ratings and a later one, early slopes do not vary, several raters are mixed, a
        patient and time occur twice, a value is infinite, a column has two roles or a name that the model uses, or the model
        passes through every later rating.
    ModelError, ConvergenceError
        If the data cannot identify the model, no optimum was found, or ``level`` is no level.

    See Also
    --------
    growth, reliable_change

    Notes
    -----
    Each patient's early ratings give a least-squares line: its slope, and its value at the earliest time of the data. Later
    ratings, and only those, are modelled by REML: ``outcome ~ early_slope + early_start + later_time + covariates +
    (1 | patient)``, with an intercept for each therapist if there are several. No rating stands on both sides. Slopes of
    few ratings are known with error, which draws their coefficient towards zero; it is not corrected.

    Standardised: estimate times the SD of the early term over the SD of patients' mean later ratings, both between patients,
    not split by therapist, and taken as known in the interval. `alliance_outcome` standardises its patient part in the same
    way, with the SD of the outcome's patient means (within therapists, as its predictor is).

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
    require_level(level)
    last, added = number(until, "until"), column_names(covariates, "covariates")
    taken = (SLOPE, START, LATER_TIME)
    data = growth_rows(frame, outcome, time=time, by=None, taken=taken, further=added)
    _check_covariates(added, outcome, time)
    require_free(added, taken)
    found = early_and_later(data, last, added)
    used = found.patients
    if not float(used[SLOPE].std()) > 1e-10 * float(np.abs(data.rows[outcome]).max()):
        raise DataError.build(
            f"Early slopes of '{outcome}' are the same for all {len(used)} patients.",
            hint="nothing can be predicted from them.",
        )
    formula, more = _formula(data, found.later, added)
    fit = fit_design(design_with_residual(formula, found.later, "The model of later ratings"), method="REML")
    notes = (*_notes(data, found, last, fit, float(level)), *more)
    return EarlyResponse(
        outcome=outcome,
        time=time,
        until=last,
        covariates=added,
        level=float(level),
        fit=fit,
        patients=used,
        notes=notes,
    )


def _check_covariates(added: Sequence[str], outcome: str, time: str) -> None:
    """Raise a DataError when a column has two roles, or would turn people into terms."""
    wrong = [name for name in added if name in (outcome, time, *ID_COLUMNS)]
    if wrong:
        raise DataError.build(
            f"'{wrong[0]}' cannot be a covariate here: it has another role in the model.", hint="name each column once."
        )


def _formula(data: GrowthRows, later: pd.DataFrame, added: Sequence[str]) -> tuple[str, list[str]]:
    """Return the formula of the later ratings, and notes on groups without a random effect."""
    fixed = [
        SLOPE,
        START,
        *([LATER_TIME] if later[LATER_TIME].nunique() > 1 else []),
        *(quoted(name) for name in added),
    ]
    n_patients = later["patient"].nunique()
    above, notes = units_above(later, None)
    groups = [*(["patient"] if len(later) > n_patients else []), *above]
    if not groups:
        raise DataError.build(
            f"Each of the {n_patients} patients has one later rating and there are no therapists: this is a linear regression.",
            hint="use rows of several later sessions.",
        )
    return f"{quoted(data.outcome)} ~ {' + '.join([*fixed, *(f'(1 | {name})' for name in groups)])}", notes


def _notes(data: GrowthRows, found: EarlyAndLater, until: float, fit: LmmFit, level: float) -> list[str]:
    """Return estimand, model, tests, rows and what biases the estimate."""
    n_used = len(found.patients)
    left = f"{counted(found.n_without, 'patient')} {agreeing(found.n_without, 'is', 'are')}"
    notes = [
        "Estimand: expected difference in a later rating per point of early slope, at the same early start; a forecast, not the "
        "effect of early change.",
        f"Early: {data.time} up to {until:g}; later: after it. No rating is on both sides.",
        f"Model: {fit.formula}; REML.",
        f"Intervals ({100 * level:g}%) and p values: Wald tests with Satterthwaite's degrees of freedom (df method: "
        "satterthwaite), unless tidy(df=...) asks for others.",
        f"N: {len(found.later)} later ratings of {n_used} patients; of {n_used + found.n_without} patients with a rating {left} "
        "left out for want of two early times or of a later row to analyse.",
        found.account,
        "Standardised estimates are in SDs between patients: of the early term, and of patients' mean later ratings; their "
        "intervals take both as known.",
        "Early slopes are measured with error, which draws their coefficient towards zero; not corrected.",
    ]
    if fit.dropped:
        notes.append(f"Left out because other terms determine them: {', '.join(fit.dropped)}.")
    if fit.singular:
        notes.append("The fit is singular: a random variance is zero; it was kept.")
    return notes
