"""What a growth model says: means, changes within groups, differences between groups, curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.inference.linear import DfMethod, linear_inference, t_quantile, two_sided_p
from alliance_stats.inference.rowblocks import stacked
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.arguments import number
from alliance_stats.process.growth_model import GrowthModel, model_rows
from alliance_stats.process.growth_rows import GrowthRows

CURVE_POINTS = 61

MEAN = "mean"
WITHIN = "within group"
BETWEEN = "between groups"
BETWEEN_AT = "between groups at one time"
"""Kinds of rows: a mean; a change of one group; a difference between changes; a difference between means."""


@dataclass(frozen=True)
class BaselineSd:
    """The SD by which changes are standardised.

    Parameters
    ----------
    value : float
        Pooled within groups, in points; NaN if it cannot be computed.
    n : int
        Ratings it comes from.
    """

    value: float
    n: int


def baseline_sd(data: GrowthRows) -> BaselineSd:
    """Return the SD of the outcome at the earliest time, pooled within groups."""
    first = data.times == data.times.min()
    values = data.rows.loc[first, data.outcome].to_numpy(dtype=float)
    codes = data.group_of_rows[first]
    squares, df = 0.0, 0
    for group in range(len(data.groups)):
        own = values[codes == group]
        if own.size > 1:
            squares += float(np.sum((own - own.mean()) ** 2))
            df += own.size - 1
    value = float(np.sqrt(squares / df)) if df > 0 and squares > 0 else float("nan")
    return BaselineSd(value, int(values.size))


@dataclass(frozen=True)
class _Question:
    """A weighted sum of means: (time, group, weight) triples, with the words of its row."""

    parts: tuple[tuple[float, int, float], ...]
    words: dict[str, Any]


def change_table(model: GrowthModel, times: Sequence[float] | None, *, level: float, df: DfMethod) -> pd.DataFrame:
    """Return changes within groups, differences between groups, and the means they come from.

    Parameters
    ----------
    model : GrowthModel
    times : sequence of float, optional
        Changes from each to the next, and from the first to the last; start, breaks and end if left out.
    level : float in (0, 1)
    df : str
    """
    phases = _phases(model, times)
    moments = list(dict.fromkeys(value for low, high, _ in phases for value in (low, high)))
    questions = [*_changes(model, phases), *_means(model, sorted(moments))]
    estimate, error, degrees = _answers(model, [q.parts for q in questions], df)
    half = t_quantile(0.5 + level / 2.0, degrees) * error
    table = pd.DataFrame([q.words for q in questions])
    table = table.assign(
        outcome=model.data.outcome, estimate=estimate, std_error=error, df=degrees, statistic=estimate / error
    )
    table = table.assign(p_value=two_sided_p(estimate / error, degrees), conf_low=estimate - half)
    table = table.assign(conf_high=estimate + half, conf_level=level)
    table.loc[table["kind"] == MEAN, ["statistic", "p_value"]] = np.nan
    table["rate"] = table["estimate"] / (table["to_time"] - table["from_time"])
    sd = baseline_sd(model.data).value
    change = (table["kind"] != MEAN).to_numpy()
    for name in ("estimate", "conf_low", "conf_high"):
        table[f"std_{name}"] = np.where(change, table[name] / sd, np.nan)
    order = ["outcome", "term", "group", "kind", "estimate", "std_error", "df", "statistic", "p_value", "conf_low"]
    order += ["conf_high", "conf_level", "n", "phase", "from_time", "to_time", "rate"]
    return table[[*order, "std_estimate", "std_conf_low", "std_conf_high"]]


def _phases(model: GrowthModel, times: Sequence[float] | None) -> list[tuple[float, float, str]]:
    """Return start, end and name of each change asked for."""
    if times is None:
        return model.terms.phases(model.last)
    values = _moments(times)
    if len(values) < 2 or any(low >= high for low, high in pairwise(values)):
        raise DataError.build(
            f"times= needs two or more times in ascending order; it has {len(values)}.", hint="for example (0, 12, 18)."
        )
    outside = [value for value in values if not model.terms.origin <= value <= model.last]
    if outside:
        raise DataError.build(
            f"times= asks for {outside[0]:g}; the model describes {model.terms.origin:g} to {model.last:g}.",
            hint="growth is not extended beyond the data.",
        )
    phases = [(low, high, "as asked") for low, high in pairwise(values)]
    return phases if len(values) == 2 else [*phases, (values[0], values[-1], "as asked")]


def _moments(times: object) -> list[float]:
    """Return the times asked for as numbers."""
    if isinstance(times, Iterable) and not isinstance(times, str):
        return [number(value, "times") for value in times]
    return [number(times, "times")]


def _changes(model: GrowthModel, phases: Sequence[tuple[float, float, str]]) -> list[_Question]:
    """Return the changes of each group, then the differences between the changes of two groups."""
    groups, found = model.data.groups, []
    for low, high, phase in phases:
        base = {"term": f"change from {low:.4g} to {high:.4g}", "phase": phase, "from_time": low, "to_time": high}
        for g, name in enumerate(groups):
            words = base | {"group": name, "kind": WITHIN, "n": model.data.patients([g])}
            found.append(_Question(((high, g, 1.0), (low, g, -1.0)), words))
        for g, h in combinations(range(len(groups)), 2):
            words = base | {"group": f"{groups[h]} - {groups[g]}", "kind": BETWEEN, "n": model.data.patients([g, h])}
            parts = ((high, h, 1.0), (low, h, -1.0), (high, g, -1.0), (low, g, 1.0))
            found.append(_Question(parts, words))
    return found


def _means(model: GrowthModel, moments: Sequence[float]) -> list[_Question]:
    """Return the mean of each group at each moment, then the differences between two groups."""
    groups, found = model.data.groups, []
    for moment in moments:
        base = {"term": f"mean at {moment:.4g}", "phase": "", "from_time": np.nan, "to_time": moment}
        for g, name in enumerate(groups):
            words = base | {"group": name, "kind": MEAN, "n": model.data.patients([g])}
            found.append(_Question(((moment, g, 1.0),), words))
        for g, h in combinations(range(len(groups)), 2):
            words = base | {"group": f"{groups[h]} - {groups[g]}", "kind": BETWEEN_AT, "n": model.data.patients([g, h])}
            found.append(_Question(((moment, h, 1.0), (moment, g, -1.0)), words))
    return found


def _answers(
    model: GrowthModel, questions: Sequence[tuple[tuple[float, int, float], ...]], df: DfMethod
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return estimates, standard errors and df of weighted sums of means, each of shape (k,)."""
    parts = [part for question in questions for part in question]
    times, groups = np.array([p[0] for p in parts]), np.array([p[1] for p in parts], dtype=np.int64)
    rows = model_rows(model, times, groups, moving=True)
    owner = np.repeat(np.arange(len(questions)), [len(question) for question in questions])
    weights = np.zeros((len(questions), len(parts)))
    weights[owner, np.arange(len(parts))] = [p[2] for p in parts]
    found = linear_inference(model.fit, weights @ _fixed_columns(model.fit, rows), df=df)
    if model.shifted is None:
        return found.estimate, found.std_error, found.df
    wide = linear_inference(model.shifted, weights @ _fixed_columns(model.shifted, rows), df=df)
    return found.estimate, wide.std_error, wide.df


def _fixed_columns(fit: LmmFit, rows: pd.DataFrame) -> np.ndarray:
    """Return the columns of the fixed effects for some rows, shape (n_rows, p)."""
    return np.asarray(stacked(fit.design.x_encoder(rows).columns, len(rows))[:, list(fit.scaling.x_kept)])


def curve_table(model: GrowthModel, *, level: float, df: DfMethod) -> pd.DataFrame:
    """Return the mean curve of each group with its pointwise interval, one row per group and time."""
    times = np.unique([*np.linspace(model.terms.origin, model.last, CURVE_POINTS), *model.terms.breaks])
    tables = []
    for g, name in enumerate(model.data.groups):
        estimate, error, degrees = _answers(model, [((float(value), g, 1.0),) for value in times], df)
        half = t_quantile(0.5 + level / 2.0, degrees) * error
        tables.append(
            pd.DataFrame(
                {
                    "outcome": model.data.outcome,
                    "group": name,
                    "estimate": estimate,
                    "std_error": error,
                    "conf_low": estimate - half,
                    "conf_high": estimate + half,
                    "conf_level": level,
                    "n": model.data.patients([g]),
                    "time": times,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def observation_table(data: GrowthRows) -> pd.DataFrame:
    """Return the ratings with patients as numbers, in an order that ids and rows do not decide."""
    rows = pd.DataFrame(
        {
            "group": np.array(data.groups, dtype=object)[data.group_of_rows].astype(str),
            "time": data.times,
            "value": data.rows[data.outcome].to_numpy(dtype=float),
            "patient": pd.factorize(data.rows["patient"])[0],
        }
    ).sort_values(["patient", "time"])
    starts = np.flatnonzero(np.diff(rows["patient"], prepend=-1))
    courses = np.split(rows[["time", "value"]].to_numpy(), starts[1:])
    groups = rows["group"].to_numpy()[starts]
    keys = [(group, own[0, 1], own[:, 1].sum(), own.tobytes()) for group, own in zip(groups, courses, strict=True)]
    number_of = np.empty(len(keys), dtype=np.int64)
    number_of[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(1, len(keys) + 1)
    rows["level"] = number_of[rows["patient"]]
    rows = rows.sort_values(["level", "time"], ignore_index=True).assign(outcome=data.outcome)
    return rows[["outcome", "group", "level", "time", "value"]]
