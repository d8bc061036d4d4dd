"""Weights of contrasts: all pairs, against a reference, or as given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.mixed.levelsums import Floats

Kind: TypeAlias = "Literal['pairwise', 'reference'] | Mapping[str, Any] | Sequence[Sequence[float]] | Floats"


@dataclass(frozen=True)
class Weighted:
    """Named weights.

    Parameters
    ----------
    names : tuple of str
    rows : ndarray, shape (m, n)
    """

    names: tuple[str, ...]
    rows: Floats = field(repr=False)


def pairwise_contrasts(labels: Sequence[str]) -> Weighted:
    """Return the earlier minus the later of each pair.

    Raises
    ------
    ModelError
        If there is one cell only.
    """
    _require_several(labels)
    pairs = list(combinations(range(len(labels)), 2))
    rows = np.zeros((len(pairs), len(labels)))
    for row, (first, second) in zip(rows, pairs, strict=True):
        row[first], row[second] = 1.0, -1.0
    return Weighted(tuple(f"{labels[first]} - {labels[second]}" for first, second in pairs), rows)


def contrasts_against(labels: Sequence[str], reference: int) -> Weighted:
    """Return each other cell minus the reference."""
    _require_several(labels)
    others = [k for k in range(len(labels)) if k != reference]
    rows = np.eye(len(labels))[others]
    rows[:, reference] = -1.0
    return Weighted(tuple(f"{labels[k]} - {labels[reference]}" for k in others), rows)


def reference_cell(cells: pd.DataFrame, by: Sequence[str], reference: Any) -> int:
    """Return the position of the reference among the cells of a condition.

    Parameters
    ----------
    cells : DataFrame
    by : sequence of str
    reference : value, or tuple of values for several predictors
        The first cell if None.
    """
    if reference is None:
        return 0
    wanted = tuple(reference) if isinstance(reference, (tuple, list)) else (reference,)
    rows = list(cells[list(by)].itertuples(index=False, name=None))
    if wanted not in rows:
        raise ModelError.build(
            f"reference= is no combination of levels of {', '.join(by)}; there are {len(rows)}.",
            hint="write levels as they stand in the data, one for each predictor in by=, in its order.",
        )
    return rows.index(wanted)


def custom_contrasts(kind: Any, labels: Sequence[str], noun: str) -> Weighted:
    """Return weights as given.

    Parameters
    ----------
    kind : mapping or array-like
    labels : sequence of str
        Names of the cells or coefficients.
    noun : str
        "cell" or "coefficient", for messages.
    """
    if isinstance(kind, Mapping):
        named = {str(name): _one(str(name), weights, labels, noun) for name, weights in kind.items()}
    else:
        try:
            rows = np.atleast_2d(np.asarray(kind, dtype=float))
        except (TypeError, ValueError):
            raise ModelError.build(
                f"kind= is a {type(kind).__name__} that holds no weights.",
                hint='use "pairwise", "reference", a mapping from names to weights, or an array with one row per contrast.',
            ) from None
        named = {f"contrast {k + 1}": _one(f"contrast {k + 1}", row, labels, noun) for k, row in enumerate(rows)}
    if not named:
        raise ModelError.build("kind= has no contrast.", hint="name at least one.")
    return Weighted(tuple(named), np.stack(list(named.values())))


def _one(name: str, weights: Any, labels: Sequence[str], noun: str) -> Floats:
    """Return the weights of one contrast, checked, shape (n,)."""
    row = np.zeros(len(labels))
    if isinstance(weights, Mapping):
        for label, weight in weights.items():
            if str(label) not in labels:
                raise _not_there(name, str(label), labels, noun)
            row[list(labels).index(str(label))] = _numbers(name, weight)
    else:
        given = _numbers(name, weights)
        if given.shape != row.shape:
            raise ModelError.build(
                f"The contrast '{name}' has {given.size} weights for {len(labels)} {noun}s.",
                hint=f"give one number per {noun}, or a mapping from its name to its weight.",
            )
        row = given
    if not np.isfinite(row).all() or not row.any():
        raise ModelError.build(
            f"The weights of the contrast '{name}' are missing, infinite, or all zero.", hint="give finite weights."
        )
    return row


def _numbers(name: str, weights: Any) -> Floats:
    """Return one weight, or several, as numbers."""
    try:
        return np.asarray(weights, dtype=float)
    except (TypeError, ValueError):
        raise ModelError.build(
            f"The contrast '{name}' has a weight that is not a number.", hint="give numbers, such as 1 and -1."
        ) from None


def _not_there(name: str, label: str, labels: Sequence[str], noun: str) -> ModelError:
    """Return the error for a contrast on something that is not there; levels may be people, so they are not listed."""
    if noun == "coefficient":
        error = unknown_name(ModelError, "coefficient", label, labels)
        return ModelError(f"The contrast '{name}' names something that is not there. {error}")
    return ModelError.build(
        f"The contrast '{name}' names a cell that is not there; there are {len(labels)}.",
        hint="write cells as in column 'level' of tidy().",
    )


def _require_several(labels: Sequence[str]) -> None:
    """Raise a ModelError if there is nothing to compare with."""
    if len(labels) < 2:
        raise ModelError.build("There is one cell to compare.", hint="name a factor with two levels or more in by=.")
