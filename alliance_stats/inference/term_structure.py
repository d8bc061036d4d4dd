"""Which fixed effects belong to which term of the formula, and what they say about the levels of categories.

Every term is also written with one parameter for each combination of the levels of its categories (and each column of its
numeric part), more than can be estimated; hypotheses about terms are stated in these cells, because they do not depend on
how categories are coded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np

from alliance_stats.errors import ModelError
from alliance_stats.mixed.encoder import Encoder, FormulaicEncoder, NumericEncoder
from alliance_stats.mixed.levelsums import Floats


@dataclass(frozen=True)
class FixedTerm:
    """One term of the fixed part.

    Parameters
    ----------
    name : str
    factors : tuple of str
        As in the formula.
    sizes : tuple of int
        Levels of each factor, or columns of a numeric one; in the cells the first factor varies fastest.
    numeric : tuple of str
        The numeric factors, in alphabetical order.
    columns : tuple of int
        Positions of its columns in the model matrix.
    coding : ndarray, shape (n_cells, n_columns)
        Each column as a combination of the cells' indicators.
    """

    name: str
    factors: tuple[str, ...]
    sizes: tuple[int, ...]
    numeric: tuple[str, ...]
    columns: tuple[int, ...]
    coding: Floats = field(repr=False)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categorical factors."""
        return tuple(f for f in self.factors if f not in self.numeric)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return prod(self.sizes)

    def within(self, other: FixedTerm) -> bool:
        """Tell whether another term contains this one: the same numeric part and further categories."""
        return self.numeric == other.numeric and set(self.categories) < set(other.categories)

    def cell(self, levels: dict[str, int]) -> int:
        """Return the number of the cell at these levels (of categories) and columns (of numeric factors)."""
        number, stride = 0, 1
        for factor, size in zip(self.factors, self.sizes, strict=True):
            number += stride * levels.get(factor, 0)
            stride *= size
        return number

    def cell_order(self) -> list[int]:
        """Return the cells, those without a first level of a category first."""
        grid = list(product(*(range(size) for size in reversed(self.sizes))))
        firsts = [
            sum(index == 0 and f not in self.numeric for f, index in zip(reversed(self.factors), place, strict=True))
            for place in grid
        ]
        return sorted(range(len(grid)), key=lambda number: firsts[number])


def fixed_terms(encoder: Encoder) -> list[FixedTerm]:
    """Return the terms of a fixed part, the intercept as a term without factors.

    Parameters
    ----------
    encoder : Encoder
        Of the design's fixed effects.
    """
    if isinstance(encoder, NumericEncoder):
        return [
            FixedTerm(name if term else "1", term, (1,) * len(term), tuple(sorted(term)), (j,), np.eye(1))
            for j, (term, name) in enumerate(zip(encoder.terms, encoder.names, strict=True))
        ]
    if not isinstance(encoder, FormulaicEncoder):
        raise ModelError.build(
            f"The terms of a model matrix made by {type(encoder).__name__} are not known.",
            hint="use coefficient_tests() instead.",
        )
    return _formulaic_terms(encoder.spec)


def _formulaic_terms(spec: Any) -> list[FixedTerm]:
    """Return the terms of formulaic's model specification."""
    codings = _codings(spec)
    widths = _numeric_widths(spec, codings)
    terms, start = [], 0
    for encoded in spec.structure:
        factors = tuple(str(f.expr) for f in encoded.term.factors if str(f.expr) != "1")
        sizes = tuple(codings[f].shape[0] if f in codings else widths[f] for f in factors)
        blocks = [_scoped_coding(scoped, factors, codings, widths) for scoped in encoded.scoped_terms]
        n_columns = len(encoded.columns)
        columns = tuple(range(start, start + n_columns))
        start += n_columns
        if not n_columns:
            continue
        coding = np.concatenate(blocks, axis=1)
        numeric = tuple(sorted(f for f in factors if f not in codings))
        terms.append(FixedTerm(str(encoded.term), factors, sizes, numeric, columns, coding))
    return terms


def _codings(spec: Any) -> dict[str, Floats]:
    """Return the contrast matrix of each categorical factor, shape (n_levels, n_columns)."""
    found = {}
    for name, (_, state) in spec.encoder_state.items():
        if "contrasts" in state:
            contrasts = state["contrasts"]
            matrix = contrasts.contrasts.get_coding_matrix(contrasts.levels, reduced_rank=True, sparse=False)
            found[str(name)] = np.asarray(matrix, dtype=float)
    return found


def _numeric_widths(spec: Any, codings: dict[str, Floats]) -> dict[str, int]:
    """Return how many columns each numeric factor has, from the numbers of columns of the terms."""
    widths: dict[str, int] = {}
    open_terms: list[tuple[tuple[str, ...], int]] = []
    for encoded in spec.structure:
        names = tuple(str(f.expr) for f in encoded.term.factors if str(f.expr) != "1")
        numeric = tuple(name for name in names if name not in codings)
        if numeric:
            known = sum(
                prod(_coding(str(f.factor.expr), f.reduced, codings, {}).shape[1] for f in scoped.factors)
                for scoped in encoded.scoped_terms
            )
            open_terms.append((numeric, len(encoded.columns) // max(known, 1)))
    for numeric, total in sorted(open_terms, key=lambda item: len(item[0])):
        unknown = [name for name in numeric if name not in widths]
        left = total // prod(widths.get(name, 1) for name in numeric)
        if len(unknown) > 1 and left > 1:
            raise ModelError.build(
                f"The columns of the term '{':'.join(numeric)}' cannot be told apart.",
                hint="add its parts to the formula as terms of their own, or use coefficient_tests().",
            )
        widths |= dict.fromkeys(unknown, left)
    return widths


def _coding(factor: str, reduced: bool, codings: dict[str, Floats], widths: dict[str, int]) -> Floats:
    """Return a factor's columns as combinations of its levels (or of its own columns, if it is numeric)."""
    if factor not in codings:
        return np.eye(widths.get(factor, 1))
    return codings[factor] if reduced else np.eye(codings[factor].shape[0])


def _scoped_coding(scoped: Any, factors: Sequence[str], codings: dict[str, Floats], widths: dict[str, int]) -> Floats:
    """Return the columns of one part of a term as combinations of the term's cells, shape (n_cells, n_columns)."""
    used = {str(f.factor.expr): bool(f.reduced) for f in scoped.factors}
    parts: list[Floats] = [
        _coding(f, used[f], codings, widths) if f in used else np.ones((codings[f].shape[0], 1)) for f in factors
    ]
    coding: Floats = np.full((1, 1), float(scoped.scale))
    for part in parts:
        coding = np.asarray(np.kron(part, coding), dtype=float)
    return coding


def cell_rows(terms: Sequence[FixedTerm]) -> tuple[Floats, list[slice]]:
    """Return rows that span all that the cells can say, and where each term's cells lie.

    Returns
    -------
    rows : ndarray, shape (n_rows, n_cells of all terms)
        For each column of a numeric part, and each term that has it: every combination of its categories' levels.
    places : list of slice
    """
    edges = np.concatenate(([0], np.cumsum([term.n_cells for term in terms])))
    places = [slice(int(low), int(high)) for low, high in pairwise(edges)]
    rows = []
    for term in terms:
        for levels in product(*(range(size) for size in term.sizes)):
            at = dict(zip(term.factors, levels, strict=True))
            row = np.zeros(edges[-1])
            for other, place in zip(terms, places, strict=True):
                if other.numeric == term.numeric:
                    row[place.start + other.cell(at)] = 1.0
            rows.append(row)
    return np.array(rows), places
