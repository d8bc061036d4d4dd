"""What it means that a term has no effect: hypotheses of type II and III.

Goodnight (1980), Tests of hypotheses in fixed effects linear models, Communications in Statistics A9, 167-180,
doi 10.1080/03610928008827869. A term contains another if it has the same numeric part and further categories.
Type III: combinations of the term's cells and of cells of terms that contain it, orthogonal to all hypotheses about the
latter alone; with a full set of cells these are differences of unweighted means. Type II: the term after all terms that do
not contain it, before those that do, by least squares on the rows used, without their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from alliance_stats.inference.term_structure import FixedTerm, cell_rows, fixed_terms
from alliance_stats.mixed.levelsums import Floats

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit

HypothesisKind: TypeAlias = Literal["III", "II"]

ZERO = 1e-8
"""Singular values below this, relative to the largest, count as zero; the matrices hold contrasts and proportions."""


def term_hypotheses(fit: LmmFit, kind: HypothesisKind) -> dict[str, Floats]:
    """Return for each term the combinations of fixed effects that are zero if it has no effect.

    Returns
    -------
    dict
        Of arrays of shape (r, p), by the term's name; r is 0 where other terms leave nothing to test.
    """
    terms = fixed_terms(fit.design.x_encoder)
    kept = list(fit.scaling.x_kept)
    matrix = _matrix(fit)
    tested = [t for t, term in enumerate(terms) if term.factors]
    if kind == "II":
        found = [_type_two(terms, t, kept, matrix[:, kept]) for t in tested]
    else:
        cells, places = _estimable(terms, kept, matrix)
        present = [u for u, term in enumerate(terms) if set(term.columns) & set(kept)]
        found = [_type_three(terms, t, cells, places, present) for t in tested]
    return {terms[t].name: _without_noise(rows) for t, rows in zip(tested, found, strict=True)}


def _without_noise(rows: Floats) -> Floats:
    """Return the rows with rounding errors set to zero, so that it shows which fixed effects take part."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    return np.where(np.abs(rows) < ZERO * largest, 0.0, rows)


def _matrix(fit: LmmFit) -> Floats:
    """Return the model matrix with columns that were dropped, shape (n_rows, n_columns)."""
    return np.column_stack([np.ones(fit.n_obs) if column is None else column for column in fit.design.x.columns])


def _type_two(terms: Sequence[FixedTerm], t: int, kept: Sequence[int], matrix: Floats) -> Floats:
    """Return the hypothesis of type II, shape (r, p): rows of the triangular factor, terms that contain this one last."""
    p = len(kept)
    owner = {column: u for u, term in enumerate(terms) for column in term.columns}
    place = [1 if owner[j] == t else 2 if terms[t].within(terms[owner[j]]) else 0 for j in kept]
    own = [c for c in range(p) if place[c] == 1]
    if 2 not in place:
        return np.eye(p)[own]
    order = sorted(range(p), key=lambda c: place[c])
    triangle = np.asarray(np.linalg.qr(matrix[:, order], mode="r"), dtype=float)
    rows = np.zeros((len(own), p))
    for i, c in enumerate(own):
        at = order.index(c)
        rows[i, order] = triangle[at] / triangle[at, at]
        rows[i, [order[b] for b in range(at)]] = 0.0
    return rows


def _estimable(terms: Sequence[FixedTerm], kept: Sequence[int], matrix: Floats) -> tuple[Floats, list[slice]]:
    """Return what each kept fixed effect stands for in the cells, shape (p, n_cells), and where each term's cells lie."""
    rows, places = cell_rows(terms)
    n_columns = matrix.shape[1]
    coding = np.zeros((rows.shape[1], n_columns))
    for term, place in zip(terms, places, strict=True):
        coding[place, term.columns] = term.coding
    # Cells as combinations of columns: the same in all data, because both span the same space.
    decoded = np.linalg.lstsq(rows @ coding, rows, rcond=None)[0]
    dropped = [j for j in range(n_columns) if j not in kept]
    expressed = np.zeros((len(kept), n_columns))
    expressed[np.arange(len(kept)), kept] = 1.0
    if dropped:
        scale = np.sqrt((matrix[:, kept] ** 2).sum(axis=0))
        solved = np.linalg.lstsq(matrix[:, kept] / scale, matrix[:, dropped], rcond=None)[0]
        expressed[:, dropped] = solved / scale[:, None]
    return expressed @ decoded, places


def _type_three(
    terms: Sequence[FixedTerm], t: int, cells: Floats, places: Sequence[slice], present: Sequence[int]
) -> Floats:
    """Return the hypothesis of type III, shape (r, p); ``present`` are the terms that were not left out as a whole."""
    if t not in present:
        return np.zeros((0, cells.shape[0]))
    above = [u for u, term in enumerate(terms) if terms[t].within(term)]
    elsewhere = [u for u in present if u != t and u not in above]
    free = _null_space(cells[:, _join(places, elsewhere)].T)
    others = _null_space(cells[:, _join(places, [*elsewhere, t])].T)
    rows = free
    if others.size:
        rows = _null_space((free @ cells @ (others @ cells).T).T) @ free
    return _plain(rows, (rows @ cells)[:, places[t]][:, terms[t].cell_order()])


def _join(places: Sequence[slice], chosen: Sequence[int]) -> list[int]:
    """Return the positions of the cells of several terms."""
    return [c for u in chosen for c in range(places[u].start, places[u].stop)]


def _null_space(matrix: Floats) -> Floats:
    """Return an orthonormal basis of the vectors that a matrix maps to zero, as rows."""
    n = matrix.shape[1]
    if not matrix.size:
        return np.eye(n)
    _, values, vectors = np.linalg.svd(matrix)
    rank = int(np.sum(values > ZERO * max(float(values[0]), ZERO)))
    return np.asarray(vectors[rank:])


def _plain(rows: Floats, own: Floats) -> Floats:
    """Return the same hypotheses as differences to the first level: the reduced form by the term's own cells."""
    if not rows.size:
        return rows
    left, pivots = own.copy(), list[int]()
    for c in range(own.shape[1]):
        size = np.linalg.norm(left[:, c])
        if size > ZERO * np.linalg.norm(own):
            pivots.append(c)
            direction = left[:, c] / size
            left = left - np.outer(direction, direction @ left)
        if len(pivots) == rows.shape[0]:
            break
    return np.asarray(np.linalg.solve(own[:, pivots], rows))
