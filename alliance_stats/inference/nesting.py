"""Whether two fits use the same data, and whether one model is a special case of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from alliance_stats.columns import nested_within
from alliance_stats.errors import DataError
from alliance_stats.mixed.design import Design
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.levelsums import Column
from alliance_stats.mixed.scaling import independent_columns

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


def require_same_data(fits: Sequence[LmmFit]) -> None:
    """Raise a DataError if a fit has other rows, another outcome or other weights than the first.

    Parameters
    ----------
    fits : sequence of LmmFit
        Rows are the same if their positions or their labels in the user's frame are.
    """
    first = fits[0].design
    for number, fit in enumerate(fits[1:], start=2):
        design = fit.design
        if not _same_rows(first, design):
            raise DataError.build(
                f"Model 1 was fitted to {first.n_rows} of {first.n_given} rows, model {number} to {design.n_rows} of "
                f"{design.n_given}{_shared(first, design)}: likelihoods of different rows cannot be compared.",
                hint="leave out rows with a missing value in any model first: frame.dropna(subset=[...]), then fit both to it.",
            )
        if not np.array_equal(first.y, design.y):
            differing = int((first.y != design.y).sum())
            if fits[0].response == fit.response:
                raise DataError.build(
                    f"Models 1 and {number} have the same outcome '{fit.response}', but its values differ in {differing} of "
                    f"{first.n_rows} rows.",
                    hint="fit both to the same frame, its rows in the same order.",
                )
            raise DataError.build(
                f"Models 1 and {number} have different outcomes ('{fits[0].response}' and '{fit.response}'); they differ in "
                f"{differing} of {first.n_rows} rows.",
                hint="compare models of the same outcome, on the same scale.",
            )
        if not _same_weights(first, design):
            raise DataError.build(
                f"Models 1 and {number} have different weights.",
                hint="fit both with the same weights, or both without.",
            )


def _same_rows(a: Design, b: Design) -> bool:
    """Tell whether two designs use the same rows."""
    return a.n_rows == b.n_rows and (np.array_equal(a.kept, b.kept) or a.index.equals(b.index))


def _shared(a: Design, b: Design) -> str:
    """Return how many rows two designs share, where the positions mean the same."""
    if a.n_given != b.n_given:
        return ""
    return f", {np.intersect1d(a.kept, b.kept).size} of them the same"


def _same_weights(a: Design, b: Design) -> bool:
    """Tell whether two designs have the same weights."""
    if a.weights is None or b.weights is None:
        return a.weights is b.weights
    return bool(np.allclose(a.weights, b.weights, rtol=1e-12, atol=0.0))


def fixed_columns(fit: LmmFit) -> list[Column]:
    """Return the columns of the fixed effects that were estimated."""
    return [fit.design.x.columns[j] for j in fit.scaling.x_kept]


def same_fixed_columns(a: LmmFit, b: LmmFit) -> bool:
    """Tell whether two fits have the same columns of fixed effects, in any order.

    Restricted likelihoods can be compared then only: they depend on the columns, not just on what these span.
    """
    left, right = fixed_columns(a), fixed_columns(b)
    return len(left) == len(right) and all(any(_equal(x, y) for y in right) for x in left)


def _equal(a: Column, b: Column) -> bool:
    """Tell whether two columns are the same; None stands for ones."""
    if a is None or b is None:
        return a is b or bool(np.all((b if a is None else a) == 1.0))
    return a is b or np.array_equal(a, b)


def is_nested(small: LmmFit, big: LmmFit) -> bool:
    """Tell whether the smaller model is a special case of the bigger one.

    Parameters
    ----------
    small, big : LmmFit
        On the same rows.

    Notes
    -----
    It is if the bigger model's fixed effects span the smaller one's, and if for every random term of the smaller model the
    bigger one has a term whose grouping has the same levels and whose effects span those of the smaller model's term.
    Correlation and variances of the smaller model's residual structure must be those of the bigger one, or left out; a
    given sigma is a special case of an estimated one.
    """
    if not residual_part_nested(small.design, big.design):
        return False
    n = small.n_obs
    return spans(fixed_columns(big), fixed_columns(small), n) and random_part_nested(small.design, big.design)


def residual_part_nested(small: Design, big: Design) -> bool:
    """Tell whether the residual structure and sigma of the smaller design are special cases of those of the bigger one."""
    if big.sigma is not None and small.sigma != big.sigma:
        return False
    if small.residual is None:
        return True
    if big.residual is None:
        return False
    mine, other = small.residual.structure, big.residual.structure
    return mine.correlation in (None, other.correlation) and mine.variance_by in ((), other.variance_by)


def random_part_nested(small: Design, big: Design) -> bool:
    """Tell whether each random term of the smaller design is contained in a term of the bigger one."""
    return all(
        any(
            same_levels(term.grouping, other.grouping) and spans(other.columns, term.columns, small.n_rows)
            for other in big.terms
        )
        for term in small.terms
    )


def same_levels(a: Grouping, b: Grouping) -> bool:
    """Tell whether two groupings put the same rows together."""
    if a.codes is b.codes or np.array_equal(a.codes, b.codes):
        return True
    return len(a.labels) == len(b.labels) and nested_within(a.codes, b.codes)


def spans(big: Sequence[Column], small: Sequence[Column], n_rows: int) -> bool:
    """Tell whether every one of some columns is a linear combination of others.

    Parameters
    ----------
    big, small : sequence of columns, each of shape (n_rows,) or None for ones
    n_rows : int
    """
    rest = [column for column in small if not any(_equal(column, other) for other in big)]
    return not rest or max(independent_columns([*big, *rest], n_rows), default=-1) < len(big)


def n_bounded(design: Design) -> int:
    """Return the number of parameters that a smaller model puts at the edge of their range when it leaves them out.

    Variances of random effects, and a correlation in continuous time, which is not negative.
    """
    correlation = None if design.residual is None else design.residual.structure.correlation
    serial = correlation is not None and correlation.kind == "car1"
    return sum(len(term.names) for term in design.terms) + int(serial)
