"""The model fitted anew without each level of a grouping factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.inference.influence import Deletion
from alliance_stats.mixed.design import Design, DesignTerm, require_identified
from alliance_stats.mixed.encoder import Encoded
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.levelsums import Column, Floats
from alliance_stats.mixed.lmm import fit_design


def refit_without_levels(fit: LmmFit, grouping: Grouping, *, progress: bool) -> Deletion:
    """Fit the model without each level of a grouping factor, variance components included.

    Parameters
    ----------
    fit : LmmFit
    grouping : Grouping
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Deletion
        NaN where the model could not be fitted or a coefficient could not be estimated.
    """
    from tqdm import tqdm

    n_levels, p = len(grouping.labels), len(fit.term_names)
    estimate, covariance = np.full((n_levels, p), np.nan), np.full((n_levels, p, p), np.nan)
    failed = np.zeros(n_levels, dtype=bool)
    for level in tqdm(range(n_levels), desc=f"without each {grouping.name}", disable=not progress, leave=False):
        try:
            again = _fit(fit, rows_kept(fit.design, grouping.codes != level))
        except (ModelError, ConvergenceError):
            failed[level] = True
            continue
        if again.term_names == fit.term_names:
            estimate[level] = again.fixed_effects
            covariance[level] = again.fixed_covariance
    return Deletion(grouping.name, estimate, covariance, failed)


def rows_kept(design: Design, keep: np.ndarray) -> Design:
    """Return a design with some of its rows.

    Parameters
    ----------
    design : Design
    keep : ndarray of bool, shape (n_rows,)
    """
    known: dict[int, Floats] = {}

    def cut(column: Column) -> Column:
        # one object per column: the engine tells equal columns by identity
        if column is None:
            return None
        if id(column) not in known:
            known[id(column)] = np.ascontiguousarray(column[keep])
        return known[id(column)]

    groupings = {g.name: _levels_kept(g, keep) for g in design.groupings}
    terms = tuple(
        DesignTerm(groupings[t.grouping.name], t.names, tuple(cut(c) for c in t.columns), t.encoder)
        for t in design.terms
    )
    return replace(
        design,
        y=design.y[keep],
        x=Encoded(design.x.names, tuple(cut(c) for c in design.x.columns)),
        terms=terms,
        weights=None if design.weights is None else design.weights[keep],
        kept=design.kept[keep],
        index=design.index[keep],
        residual=None if design.residual is None else design.residual.take(np.flatnonzero(keep)),
    )


def _fit(fit: LmmFit, design: Design) -> LmmFit:
    """Return the fit of the same model to a part of its rows."""
    require_identified(design)
    return fit_design(design, method="REML" if fit.method == "REML" else "ML")


def _levels_kept(grouping: Grouping, keep: np.ndarray) -> Grouping:
    """Return the levels that some kept row has."""
    present, codes = np.unique(grouping.codes[keep], return_inverse=True)
    return Grouping(grouping.group, codes.astype(np.int64), grouping.labels[present])
