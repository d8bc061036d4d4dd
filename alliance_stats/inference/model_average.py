"""Fixed effects averaged over models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtri

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.linear import require_level
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.result import Result

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit

Over: TypeAlias = Literal["all", "containing"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelAverage(Result):
    """Fixed effects averaged over models; made by `Comparison.average`.

    Parameters
    ----------
    over : {"all", "containing"}
    outcome : str
    n : int
        Rows of each model.
    n_models : int
    table : DataFrame
        One row per fixed effect.
    """

    over: Over
    outcome: str
    n: int
    n_models: int
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """Return the averages.

        Returns
        -------
        DataFrame
            One row per fixed effect: term, estimate, std_error, conf_low, conf_high, conf_level, n_models (that contain it)
            and weight (the sum of their weights).
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, rows, number of models, what was averaged over."""
        return pd.DataFrame([{"outcome": self.outcome, "n": self.n, "n_models": self.n_models, "over": self.over}])


def average_models(fits: Sequence[LmmFit], delta: Floats, *, criterion: str, over: Over, level: float) -> ModelAverage:
    """Average fixed effects; see `Comparison.average`.

    Parameters
    ----------
    fits : sequence of LmmFit
    delta : ndarray, shape (n_models,)
        Difference of each model's criterion to the smallest.
    criterion : str
        Which criterion.
    over : {"all", "containing"}
    level : float in (0, 1)
    """
    if over not in ("all", "containing"):
        raise unknown_name(ModelError, "set of models to average over", str(over), ["all", "containing"])
    require_level(level)
    terms = list(dict.fromkeys(name for fit in fits for name in fit.term_names))
    rows = [_averaged(term, fits, delta, over, level) for term in terms]
    meaning = "all models, zero where left out" if over == "all" else "the models that contain it"
    notes = (
        f"Each fixed effect is averaged over {meaning}, by {criterion.upper()} weights of {len(fits)} models.",
        "Standard errors are unconditional: they hold the spread between models. Intervals are normal.",
    )
    outcome, n = fits[0].response, fits[0].n_obs
    return ModelAverage(over=over, outcome=outcome, n=n, n_models=len(fits), table=pd.DataFrame(rows), notes=notes)


def _averaged(term: str, fits: Sequence[LmmFit], delta: Floats, over: Over, level: float) -> dict[str, Any]:
    """Return the row of one fixed effect."""
    present = np.array([term in fit.term_names for fit in fits])
    estimates, variances = np.zeros(len(fits)), np.zeros(len(fits))
    for k, fit in enumerate(fits):
        if present[k]:
            position = fit.term_names.index(term)
            estimates[k] = fit.fixed_effects.iloc[position]
            variances[k] = fit.fixed_covariance.to_numpy()[position, position]
    weights = _weights(delta)
    own = weights if over == "all" else _weights(np.where(present, delta - delta[present].min(), np.inf))
    estimate = float(own @ estimates)
    # Buckland, Burnham and Augustin (1997), Biometrics 53, 603-618, doi 10.2307/2533961
    error = float(own @ np.sqrt(variances + (estimates - estimate) ** 2))
    half = float(ndtri(0.5 + level / 2.0)) * error
    row: dict[str, Any] = {"term": term, "estimate": estimate, "std_error": error, "conf_low": estimate - half}
    return row | {
        "conf_high": estimate + half,
        "conf_level": level,
        "n_models": int(present.sum()),
        "weight": float(weights[present].sum()),
    }


def _weights(delta: Floats) -> Floats:
    """Return Akaike weights, which add up to one."""
    likelihood = np.exp(-0.5 * delta)
    return np.asarray(likelihood / likelihood.sum())
