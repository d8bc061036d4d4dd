"""What a reader must know of a bootstrap, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from alliance_stats.inference.linear import left_out_note
from alliance_stats.inference.replicates import Replicates
from alliance_stats.mixed.fit import LmmFit

FEWEST = 40
"""Replicates of which one is expected below the lower limit of a 95% interval."""


def bootstrap_notes(
    fit: LmmFit, runs: Replicates, table: pd.DataFrame, steps: Sequence[tuple[str, bool]]
) -> tuple[str, ...]:
    """Return one sentence each.

    Parameters
    ----------
    fit : LmmFit
    runs : Replicates
    table : DataFrame
        The parameters: group, term, term2, kind.
    steps : sequence of (name, bool)
        Of a case bootstrap: the grouping factors from the coarsest to the finest, and whether their levels were drawn.
    """
    n = len(runs.draws)
    estimator = "restricted maximum likelihood" if fit.method == "REML" else "maximum likelihood"
    notes = [f"{_kind(steps)}: {n} replicates of {fit.formula}, each by {estimator}.", _data(fit), *left_out_note(fit)]
    notes.append(
        f"{runs.n_failed} of {n} refits failed"
        + (" and are left out" if runs.n_failed else "")
        + f"; {runs.n_singular} are singular"
        + (" (a variance of zero or a perfect correlation) and are kept." if runs.n_singular else ".")
    )
    if fit.structured is not None and "statistic" not in set(table["kind"]):
        notes.append(
            "Parameters of the residual structure are estimated in each replicate and not listed; statistic= lists them."
        )
    if sum(drawn for _, drawn in steps) > 1:
        notes.append(
            "Levels drawn within drawn levels add to the spread between the latter: variances of coarser factors are drawn "
            "too large, see the column bias; by= chooses which factors are drawn."
        )
    undefined = np.isnan(runs.draws).sum(axis=0) - runs.n_failed
    for (kind, first, second), count in zip(
        table[["kind", "term", "term2"]].itertuples(index=False), undefined, strict=True
    ):
        if count > 0:
            name = f"{first} with {second}" if second else first
            notes.append(f"The {kind} of {name} is undefined in {count} replicates, which its interval leaves out.")
    notes.append("Standard errors are SDs of the draws; intervals in tidy() are percentile intervals.")
    if n < FEWEST:
        notes.append(
            f"{n} replicates are too few for intervals: less than one draw is expected beyond a limit of 95%. Use n=1000."
        )
    return tuple(notes)


def _kind(steps: Sequence[tuple[str, bool]]) -> str:
    """Return what was drawn."""
    if not steps:
        return "Parametric bootstrap, random effects and residuals drawn from normal distributions"
    drawn = [f"levels of {name} {'drawn with replacement' if drawn else 'all kept'}" for name, drawn in steps]
    return f"Case bootstrap, {', within them '.join(drawn)}, rows of a level of {steps[-1][0]} together"


def _data(fit: LmmFit) -> str:
    """Return the size of the data."""
    return f"{fit.n_obs} rows; {', '.join(f'{count} levels of {name}' for name, count in fit.n_levels.items())}."
