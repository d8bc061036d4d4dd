"""Checks of a fitted mixed model: residuals, predicted effects, and the influence of each patient and therapist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError, listing, unknown_name
from alliance_stats.inference.influence import Precision, delete_levels, precision
from alliance_stats.inference.level_influence import influence_notes, level_influence
from alliance_stats.inference.linear import left_out_note, require_level
from alliance_stats.inference.refits import refit_without_levels
from alliance_stats.inference.residuals import (
    SESSION,
    quantile_table,
    residual_table,
    scaled_effects,
    session_column,
    spread_table,
    spread_tests,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.result import Result, html_table

Part: TypeAlias = Literal["levels", "flagged", "coefficients", "residuals", "quantiles", "spread", "tests"]

PARTS = ("levels", "flagged", "coefficients", "residuals", "quantiles", "spread", "tests")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Diagnostics(Result):
    """Checks of a fitted mixed model; made by `diagnose`.

    Levels are numbered by their influence: "therapist 1" is the one whose absence changes the fixed effects most. No table and
    no picture shows the data's own labels; `influence` gives them when asked.

    Parameters
    ----------
    outcome : str
        Name of the outcome.
    levels, coefficients, residuals, quantiles, spread, tests : DataFrame
        The parts of ``tidy``.
    labels : mapping of str to Index
        The data's own labels of each grouping factor, by rank; never printed.
    refitted : bool
        Whether the variance components were estimated anew without each level.
    """

    outcome: str
    levels: pd.DataFrame = field(repr=False)
    coefficients: pd.DataFrame = field(repr=False)
    residuals: pd.DataFrame = field(repr=False)
    quantiles: pd.DataFrame = field(repr=False)
    spread: pd.DataFrame = field(repr=False)
    tests: pd.DataFrame = field(repr=False)
    labels: Mapping[str, pd.Index[Any]] = field(repr=False)
    refitted: bool

    def __repr__(self) -> str:
        return f"Diagnostics(outcome={self.outcome!r}, n={len(self.residuals)}, groups={list(self.labels)})"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"{html_table(self.tidy('flagged'))}{html_table(self.tests)}<ul>{notes}</ul>"

    def tidy(self, part: Part = "levels") -> pd.DataFrame:
        """Return one part of the checks as a table, without any label of the data.

        Parameters
        ----------
        part : {"levels", "flagged", "coefficients", "residuals", "quantiles", "spread", "tests"}
            levels: one row per level of each grouping factor, the most influential first (see Notes); flagged: those rows of
            it that are flagged. coefficients: one row per level and fixed effect, the estimate without the level. residuals:
            one row per row used. quantiles: scaled residuals and predicted effects in order against normal quantiles. spread:
            size of the scaled residuals in fifths of the fitted values and of the sessions. tests: tests of equal residual
            variance.

        Notes
        -----
        Columns of levels: group, level (rank by Cook's distance), n (rows), cooks_distance, leverage (its rows' share of the
        fixed effects; all levels' sum is their number), dfbetas and term (the largest change of a fixed effect in standard
        errors without the level, and whose), flag_above, flagged (Cook's distance above 4 / number of levels). Columns of
        coefficients beside the estimate without the level: change (from the whole fit), dfbetas (change in standard errors
        without the level), change_whole (in those of the whole fit).
        """
        if part not in PARTS:
            raise unknown_name(ModelError, "part", str(part), PARTS)
        if part == "flagged":
            return self.levels[self.levels["flagged"]].reset_index(drop=True)
        found: pd.DataFrame = getattr(self, part)
        return found.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: sizes, flagged levels, largest Cook's distance of each grouping factor, tests of spread."""
        row: dict[str, Any] = {"outcome": self.outcome, "n": len(self.residuals), "refitted": self.refitted}
        for group, own in self.levels.groupby("group", sort=False):
            row[f"n_{group}"] = len(own)
            row[f"flagged_{group}"] = int(own["flagged"].sum())
            row[f"cooks_distance_{group}"] = float(own["cooks_distance"].max())
        for _, test in self.tests.iterrows():
            row[f"p_{test['kind']}_{test['predictor'] or test['group']}"] = test["p_value"]
        return pd.DataFrame([row])

    def influence(self, group: str) -> pd.DataFrame:
        """Return the influence of each level together with the data's own label of it.

        The one place where labels of patients or therapists appear; keep the table where the data are kept.

        Parameters
        ----------
        group : str
            Grouping factor.

        Returns
        -------
        DataFrame
            One row per level, the most influential first: label, then the columns of ``tidy("levels")``.

        Raises
        ------
        ModelError
            If the factor was not diagnosed.
        """
        if group not in self.labels:
            raise unknown_name(ModelError, "grouping factor", group, list(self.labels))
        own = self.levels[self.levels["group"] == group].reset_index(drop=True)
        labels = self.labels[group]
        own.insert(0, "label", labels.to_flat_index() if labels.nlevels > 1 else labels)
        return own


def diagnose(
    fit: LmmFit,
    *,
    groups: Sequence[str] | None = None,
    refit: bool = False,
    level: float = 0.95,
    progress: bool = True,
) -> Diagnostics:
    """Check a fitted mixed model.

    For looking at a model before believing it: do residuals and predicted effects look normal, is the spread of the residuals
    even, and does a conclusion hang on one patient or one therapist? ``plot`` draws the checks on one page. Nothing here is a
    reason by itself to leave out a person: look at the data of a flagged level, and report the estimates with and without it.

    Parameters
    ----------
    fit : LmmFit
    groups : sequence of str, optional
        Grouping factors whose levels are left out one by one; all if left out.
    refit : bool
        Estimate the variance components anew without each level; one fit per level. By default they are held at those of the
        whole fit, where the estimates without a level are exact and quick.
    level : float in (0, 1)
        Of all intervals.
    progress : bool
        Show a progress bar while refitting.

    Returns
    -------
    Diagnostics

    Raises
    ------
    ModelError
        If a grouping factor is not in the model, the level is not between 0 and 1, or the random effects are too many.

    See Also
    --------
    lmm, cross_check

    Notes
    -----
    With V the fitted covariance and P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1, the conditional residual of a row is its residual
    variance times (Py), and scaled by its own standard deviation under the model; a predicted effect is G Z'Py, scaled by the
    root of the diagonal of G Z'PZ G. Both are standard normal if the model holds, whatever the shrinkage. Leaving out rows S
    changes beta by -(X'V^-1 X - B'W^-1 B)^-1 B'W^-1 r with W, B and r the parts for S of V^-1, V^-1 X and V^-1 (y - X beta).
    Cook's distance takes the covariance without the level and the number of coefficients (Nieuwenhuis et al., 2012); that of
    lme4 takes the covariance of the whole fit and another factor. Spread is tested on the squares of the scaled residuals
    against the fitted values (Koenker, 1981) and between levels by the median form of Levene's test (Brown & Forsythe, 1974);
    the latter finds little where levels have few rows, and finds differences in some 8 instead of 5 of 100 studies between
    therapists of equal spread. Wald intervals, normal distribution.

    References
    ----------
    Nieuwenhuis, R., te Grotenhuis, M., & Pelzer, B. (2012). influence.ME: Tools for detecting influential data in mixed effects
    models. The R Journal, 4(2), 38-47. doi 10.32614/RJ-2012-011.
    Koenker, R. (1981). A note on studentizing a test for heteroscedasticity. Journal of Econometrics, 17(1), 107-112.
    doi 10.1016/0304-4076(81)90062-2.
    Brown, M. B., & Forsythe, A. B. (1974). Robust tests for the equality of variances. Journal of the American Statistical
    Association, 69(346), 364-367. doi 10.1080/01621459.1974.10482955.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements")
    >>> fit = al.lmm("ors_1 ~ session + (1 | patient) + (1 | therapist)", sessions)
    >>> checks = al.diagnose(fit, groups=["therapist"])
    >>> checks.tidy()[["level", "n", "cooks_distance", "term"]].round(2).head(2)
       level    n  cooks_distance     term
    0      1  165            0.21  session
    1      2  220            0.19  session
    """
    chosen = _chosen(fit, groups)
    require_level(level)
    applied = precision(fit)
    rows = residual_table(fit, applied)
    scaled, leverage = rows["scaled"].to_numpy(), rows["leverage"].to_numpy()
    session = session_column(fit)
    over = {"fitted": rows["fitted"].to_numpy()} | ({} if session is None else {SESSION: session})
    found = {}
    for grouping in (g for g in fit.design.groupings if g.name in chosen):
        deletion = (
            refit_without_levels(fit, grouping, progress=progress) if refit else delete_levels(fit, applied, grouping)
        )
        found[grouping.name] = level_influence(fit, deletion, grouping, leverage, level=level)
    result = Diagnostics(
        outcome=fit.response.strip("`"),
        levels=pd.concat([own.levels for own in found.values()], ignore_index=True),
        coefficients=pd.concat([own.coefficients for own in found.values()], ignore_index=True),
        residuals=rows,
        quantiles=_quantiles(fit, applied, scaled, level),
        spread=spread_table(scaled, over, level),
        tests=spread_tests(fit, scaled, over),
        labels={name: own.labels for name, own in found.items()},
        refitted=refit,
    )
    return replace(result, notes=_notes(fit, result))


def _chosen(fit: LmmFit, groups: Sequence[str] | None) -> list[str]:
    """Return the grouping factors to leave levels out of."""
    names = [g.name for g in fit.design.groupings]
    chosen = names if groups is None else [groups] if isinstance(groups, str) else list(groups)
    for name in chosen:
        if name not in names:
            raise unknown_name(ModelError, "grouping factor", str(name), names)
    if not chosen:
        raise ModelError.build(
            "groups names no grouping factor.", hint=f"name some of {', '.join(names)}, or leave it out."
        )
    return chosen


def _quantiles(fit: LmmFit, applied: Precision, scaled: Floats, level: float) -> pd.DataFrame:
    """Return scaled residuals, then predicted effects by factor and term, in order against normal quantiles."""
    tables = [quantile_table(scaled, level, group="", term="", kind="residual")]
    effects = scaled_effects(fit, applied)
    tables += [quantile_table(own, level, group=g, term=t, kind="effect") for (g, t), own in effects.items()]
    return pd.concat(tables, ignore_index=True)


def _notes(fit: LmmFit, result: Diagnostics) -> tuple[str, ...]:
    """Return what was done and what stands out, in sentences."""
    scaled = result.residuals["scaled"].dropna().to_numpy()
    deviation = scaled - scaled.mean()
    variance = float(np.mean(deviation**2))
    skewness, kurtosis = np.mean(deviation**3) / variance**1.5, np.mean(deviation**4) / variance**2 - 3
    spread = result.spread[result.spread["predictor"] == "fitted"]["estimate"]
    how = "estimated anew without each level" if result.refitted else "held at those of the whole fit"
    effects = set(zip(result.quantiles["group"], result.quantiles["term"], strict=True))
    flat = [f"{t.grouping.name} {n}" for t in fit.design.terms for n in t.names if (t.grouping.name, n) not in effects]
    notes = [
        f"Residuals of {fit.n_obs} rows, conditional on the predicted effects and divided by their standard deviations under "
        f"the model: skewness {skewness:.2f}, excess kurtosis {kurtosis:.2f}, {int(np.sum(np.abs(scaled) > 3))} beyond 3.",
        f"From the lowest to the highest fifth of the fitted values their size goes from {spread.iloc[0]:.2f} to "
        f"{spread.iloc[-1]:.2f} (1 if the model holds).",
        f"Fixed effects without each level by generalised least squares, the variance components {how}; levels are numbered "
        "by their influence, not by their labels.",
    ]
    notes += left_out_note(fit)
    for group in result.labels:
        notes += influence_notes(result.levels, group)
    if flat:
        notes.append(f"No quantiles for effects without variance: {listing(flat)}.")
    return tuple(notes)
