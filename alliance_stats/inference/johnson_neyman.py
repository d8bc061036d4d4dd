"""Where along a moderator a simple slope differs from zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.cell_estimates import Estimates, InferenceMethod, estimates_of
from alliance_stats.inference.linear import (
    Cluster,
    DfMethod,
    Robust,
    inference_notes,
    require_level,
    require_method,
)
from alliance_stats.inference.marginal_means import estimable_rows
from alliance_stats.inference.predictors import predictors_of, shown
from alliance_stats.inference.reference_grid import At, ReferenceGrid, mean_rows, reference_grid, require_predictor
from alliance_stats.inference.slopes import at_values, slope_rows
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.result import Result

N_POINTS = 201
"""Points of the moderator's range at which the slope is computed; between two of them a change of region is searched."""

Part: TypeAlias = Literal["regions", "curve"]


@dataclass(frozen=True, kw_only=True, eq=False)
class JohnsonNeyman(Result):
    """Simple slopes along a moderator; made by `johnson_neyman`.

    Parameters
    ----------
    focal, moderator : str
    grid : ReferenceGrid
        It says where other predictors are held.
    pair : tuple or None
        Of a focal factor: the two levels.
    method : InferenceMethod
    places : ndarray, shape (201,)
        Of the moderator, over its observed range.
    found : Estimates
        The slope at each value.
    """

    focal: str
    moderator: str
    grid: ReferenceGrid = field(repr=False)
    pair: tuple[Any, Any] | None = field(repr=False)
    method: InferenceMethod
    places: Floats = field(repr=False)
    found: Estimates = field(repr=False)

    @property
    def fit(self) -> LmmFit:
        """The fit."""
        return self.grid.fit

    def tidy(self, part: Part = "regions", *, level: float = 0.95) -> pd.DataFrame:
        """Return the regions, or the slope along the moderator.

        Parameters
        ----------
        part : {"regions", "curve"}
        level : float in (0, 1)
            Of the intervals that tell whether the slope differs from zero.

        Returns
        -------
        DataFrame
            Regions: one row per region of the moderator's observed range with predictor, term (the moderator), kind
            ("negative", "unclear" or "positive": where the interval of the slope lies), conf_level, n (rows inside), low, high
            (of the moderator) and share (of all rows). Curve: one row per value of the moderator with predictor, term, kind,
            estimate, std_error, df, conf_low, conf_high, conf_level and value.
        """
        require_level(level)
        if part == "curve":
            return self._curve(level)
        if part != "regions":
            raise unknown_name(ModelError, "part", str(part), ["regions", "curve"])
        edges = np.concatenate(([self.places[0]], self.boundaries(level), [self.places[-1]]))
        middle = self._slopes_at((edges[:-1] + edges[1:]) / 2.0)
        observed = self.fit.design.predictors[self.moderator].to_numpy(dtype=float)
        inside = np.bincount(np.searchsorted(edges[1:-1], observed), minlength=edges.size - 1)
        return pd.DataFrame(
            {
                "predictor": self.focal,
                "term": self.moderator,
                "kind": _kinds(middle, level),
                "conf_level": level,
                "n": inside,
                "low": edges[:-1],
                "high": edges[1:],
                "share": inside / observed.size,
            }
        )

    def boundaries(self, level: float = 0.95) -> Floats:
        """Return the moderator's values, ascending, at which an end of the slope's interval is zero."""
        require_level(level)
        ends = np.stack(
            [self.found.estimate - self.found.half_width(level), self.found.estimate + self.found.half_width(level)]
        )
        roots = []
        for side, values in zip((-1.0, 1.0), ends, strict=True):

            def end(value: float, side: float = side) -> float:
                own = self._slopes_at(np.array([value]))
                return float((own.estimate + side * own.half_width(level))[0])

            roots += _roots(end, self.places, values)
        return np.array(sorted(roots))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, predictor, term (the moderator), number of rows, df method, covariance, observed range."""
        row = {
            "outcome": self.fit.response,
            "predictor": self.focal,
            "term": self.moderator,
            "n": self.fit.n_obs,
            "df_method": self.method.df,
            "covariance": self.method.robust or "model",
            "low": self.places[0],
            "high": self.places[-1],
        }
        return pd.DataFrame([row])

    def _curve(self, level: float) -> pd.DataFrame:
        """Return the slope at each value of the moderator."""
        found = self.found
        half = found.half_width(level)
        columns: dict[str, Any] = {"predictor": self.focal, "term": self.moderator, "kind": _kinds(found, level)}
        columns |= {"estimate": found.estimate, "std_error": found.std_error, "df": found.df}
        columns |= {"conf_low": found.estimate - half, "conf_high": found.estimate + half, "conf_level": level}
        return pd.DataFrame(columns | {"value": self.places})

    def _slopes_at(self, values: Floats) -> Estimates:
        """Return the slope at values of the moderator."""
        rows = focal_rows(at_values(self.grid, self.moderator, values), self.focal, self.pair)
        return estimates_of(self.fit, rows, self.method)


def johnson_neyman(
    fit: LmmFit,
    focal: str,
    *,
    moderator: str,
    at: At = None,
    df: DfMethod = "satterthwaite",
    robust: Robust | None = None,
    cluster: Cluster = None,
) -> JohnsonNeyman:
    """Find where along a moderator the slope of a predictor differs from zero.

    Use it for an interaction of numbers, within or across levels (does alliance go with outcome for patients of every
    severity?), in place of slopes at values nobody agreed on. The estimand is the slope of the focal predictor in the fixed part
    as a function of the moderator, over the moderator's observed range; of a factor with two levels it is the second level's
    mean minus the first's.

    Parameters
    ----------
    fit : LmmFit
        From `lmm`; the fixed part has an interaction of the two.
    focal : str
        Predictor whose slope is wanted: numbers, or a factor with two levels (or two named in ``at``).
    moderator : str
        A predictor that holds numbers.
    at : mapping, optional
        Where other predictors are held; numbers at their mean over rows and factors averaged over if left out.
    df, robust, cluster
        As in `marginal_means`.

    Returns
    -------
    JohnsonNeyman
        ``tidy(level=0.95)`` has one row per region, ``tidy("curve")`` the slopes.

    Raises
    ------
    ModelError
        If a name is no predictor of the fixed part, the moderator is a factor, the two do not interact, or ``at`` holds one of
        them, or a third one, at several values.

    See Also
    --------
    slopes

    Notes
    -----
    The boundaries solve ``estimate = t std_error`` with the t quantile for the df at that very value of the moderator, by root
    search between 201 points; a region narrower than their distance can be missed. The test holds at each value for
    itself, not for all at once: many values are looked at, so an edge is a description, not a test.

    References
    ----------
    Bauer, D. J., & Curran, P. J. (2005). Probing interactions in fixed and multilevel regression: inferential and graphical
    techniques. Multivariate Behavioral Research, 40, 373-400. doi 10.1207/s15327906mbr4003_5.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 10")
    >>> fit = al.lmm("ors_1 ~ wai_3 * n_open_question + (1 | patient) + (1 | therapist)", sessions)
    >>> al.johnson_neyman(fit, "wai_3", moderator="n_open_question").tidy()["kind"].tolist()
    ['unclear', 'positive', 'unclear']
    """
    method = InferenceMethod(df, robust, cluster)
    require_method(fit, df=df, robust=robust, cluster=cluster)
    grid, pair = _one_cell(fit, focal, moderator, at)
    predictor = grid.predictors[moderator]
    values = np.linspace(predictor.low, predictor.high, N_POINTS)
    rows = focal_rows(at_values(grid, moderator, values), focal, pair)
    _require_interaction(rows, focal, moderator)
    found = estimates_of(fit, rows, method)
    what = f"change of the fixed part per unit of {focal}"
    if pair is not None:
        what = f"mean of the second level of {focal} minus that of the first"
    notes = (
        f"Estimand: {what}, at each value of {moderator} from {shown(values[0])} to {shown(values[-1])}, the observed range.",
        "Intervals hold at each value of the moderator for itself.",
        *grid.notes(without=(focal, moderator)),
        *inference_notes(fit, found.method_note, robust=robust, cluster=cluster),
    )
    return JohnsonNeyman(
        focal=focal,
        moderator=moderator,
        grid=grid,
        pair=pair,
        method=method,
        places=values,
        found=found,
        notes=notes,
    )


def _require_interaction(rows: Floats, focal: str, moderator: str) -> None:
    """Raise a ModelError if the slope is not known, or the same for every value of the moderator."""
    if np.isnan(rows).any():
        raise ModelError.build(
            f"The rows used do not tell the slope of '{focal}'.",
            hint="hold factors at levels that have rows, with at=.",
        )
    size = np.abs(rows).max()
    if np.all(np.abs(rows - rows[0]).max(axis=0) <= 1e-8 * size):
        raise ModelError.build(
            f"The slope of '{focal}' does not depend on '{moderator}' in this model.",
            hint=f"put their interaction into the formula: {focal}*{moderator}.",
        )


def _one_cell(fit: LmmFit, focal: str, moderator: str, at: At) -> tuple[ReferenceGrid, tuple[Any, Any] | None]:
    """Return where other predictors are held, and the two levels of a focal factor."""
    predictors = predictors_of(fit)
    given = {} if at is None else dict(at)
    for name in (focal, moderator, *given):
        require_predictor(predictors, name)
    if predictors[moderator].levels is not None:
        raise ModelError.build(
            f"The moderator '{moderator}' is a factor.", hint=f'use slopes(fit, "{focal}", by="{moderator}").'
        )
    if focal == moderator:
        raise ModelError.build(
            f"'{moderator}' is named as focal and as moderator.", hint="name two predictors that interact."
        )
    if moderator in given:
        raise ModelError.build(
            f"The moderator '{moderator}' runs over its observed range.", hint="leave it out of at=."
        )
    if predictors[focal].levels is None:
        grid, pair = reference_grid(fit, [], at=given, weights="equal"), None
    else:
        grid = reference_grid(fit, [focal], at=given, weights="equal")
        levels = list(grid.cells[focal]) if not grid.conditions else []
        pair = (levels[0], levels[1]) if len(levels) == 2 else None
        if pair is None and not grid.conditions:
            raise ModelError.build(
                f"'{focal}' is a factor with {len(levels)} levels; a difference needs two.",
                hint=f'name two of them: at={{"{focal}": [...]}}.',
            )
    if grid.conditions:
        raise ModelError.build(
            f"at= names several values of {', '.join(grid.conditions)}.", hint="name one value; call once for each."
        )
    return replace(grid, by=()), pair


def focal_rows(grid: ReferenceGrid, focal: str, pair: tuple[Any, Any] | None) -> Floats:
    """Return the weights of the fixed effects for the focal slope, or difference of a pair of levels, shape (k, p)."""
    if pair is None:
        return slope_rows(grid, focal)
    first, second = (mean_rows(replace(grid, held=grid.held | {focal: level})) for level in pair)
    return estimable_rows(grid.fit, second - first)


def _kinds(found: Estimates, level: float) -> list[str]:
    """Return on which side of zero each interval lies."""
    half = found.half_width(level)
    low, high = found.estimate - half, found.estimate + half
    return [str(kind) for kind in np.where(low > 0, "positive", np.where(high < 0, "negative", "unclear"))]


def _roots(function: Callable[[float], float], places: Floats, values: Floats) -> list[float]:
    """Return the zeros of a function between places where its values change sign."""
    changes = np.flatnonzero((values[:-1] > 0) != (values[1:] > 0))
    width = float(places[-1] - places[0])
    return [float(brentq(function, places[k], places[k + 1], xtol=1e-10 * width)) for k in changes]
