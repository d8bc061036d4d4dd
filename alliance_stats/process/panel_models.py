"""The structural models of two ratings: random-intercept cross-lagged panel model and dynamic panels of both directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError
from alliance_stats.process.cross_lagged import cross_lagged_model
from alliance_stats.process.dynamic_panel import dynamic_panel_columns, dynamic_panel_model
from alliance_stats.process.long_run import LaggedEffects, Model
from alliance_stats.process.panel_rows import FloatArray
from alliance_stats.process.panel_table import PanelTable
from alliance_stats.process.path_fit import PathFit, Ratings, fit_paths, maximum_log_likelihood, scaled_ratings
from alliance_stats.process.path_model import PathModel

Builder = Callable[[bool], PathModel]

WORDS: dict[Model, str] = {
    "multilevel": "multilevel model",
    "ri_clpm": "random-intercept cross-lagged panel model",
    "dynamic_panel": "dynamic panel model",
}


@dataclass(frozen=True)
class PanelModels:
    """Fitted structural models.

    Parameters
    ----------
    lagged : tuple of LaggedEffects
    fits : DataFrame
        One row per model; ``outcome`` is "first", "second" or empty.
    improper : tuple of str
        What is impossible about a solution, one entry per model.
    why_no_chi2 : str
        Why chi-squares are missing; empty if they are not.
    largest_root : float
        Largest modulus of the eigenvalues of the lagged effects of the cross-lagged model; NaN if they vary.
    """

    lagged: tuple[LaggedEffects, ...]
    fits: pd.DataFrame = field(repr=False)
    improper: tuple[str, ...]
    why_no_chi2: str
    largest_root: float


def fit_panel_models(panel: PanelTable, *, constant: bool) -> PanelModels:
    """Fit the three structural models.

    Parameters
    ----------
    panel : PanelTable
    constant : bool
        Whether lagged effects are equal over sessions.

    Raises
    ------
    ModelError
        If the sessions are too few for effects of their own, or the data do not identify a model.
    """
    lagged: list[LaggedEffects] = []
    rows, improper, why = [], [], ""
    n_waves = panel.n_waves
    both = scaled_ratings(np.hstack([panel.first, panel.second]), (0,) * n_waves + (1,) * n_waves)
    fit, row = _fitted(both, lambda equal: cross_lagged_model(n_waves, constant=equal), "ri_clpm", constant=constant)
    rows.append({"model": "ri_clpm", "outcome": ""} | row)
    improper += _improper(fit, "ri_clpm")
    root = _largest_root(fit) if constant else float("nan")
    for outcome, predictor in ((2, 1), (1, 2)):
        lagged += _effects(fit, "ri_clpm", (f"{outcome}~{outcome}", f"{outcome}~{predictor}"), panel, constant=constant)
    for first_on_second in (True, False):
        ratings = _panel_ratings(panel, first_on_second=first_on_second)
        why = ratings.why_not or why
        fit, row = _fitted(ratings, _panel_builder(panel, ratings), "dynamic_panel", constant=constant)
        rows.append({"model": "dynamic_panel", "outcome": "second" if first_on_second else "first"} | row)
        improper += _improper(fit, "dynamic_panel")
        lagged += _effects(
            fit, "dynamic_panel", ("y~y", "y~x"), panel, constant=constant, first_on_second=first_on_second
        )
    return PanelModels(tuple(lagged), pd.DataFrame(rows), tuple(dict.fromkeys(improper)), both.why_not or why, root)


def _panel_ratings(panel: PanelTable, *, first_on_second: bool) -> Ratings:
    """Return the ratings of a dynamic panel."""
    outcome, predictor = (panel.second, panel.first) if first_on_second else (panel.first, panel.second)
    n_before = panel.n_waves - 1
    return scaled_ratings(dynamic_panel_columns(outcome, predictor), (0,) * n_before + (1,) * panel.n_waves)


def _panel_builder(panel: PanelTable, ratings: Ratings) -> Builder:
    """Return what writes down the dynamic panel model."""
    return lambda equal: dynamic_panel_model(panel.n_waves, ratings.covariance, constant=equal)


def _fitted(ratings: Ratings, build: Builder, name: Model, *, constant: bool) -> tuple[PathFit, dict[str, object]]:
    """Return a fit, and its row of the table with the test of equal effects."""
    model, other = build(constant), build(not constant)
    p = model.n_observed
    if len(model.names) > p * (p + 3) // 2:
        raise ModelError.build(
            f"The {WORDS[name]} with effects of each session has {len(model.names)} parameters for {p * (p + 3) // 2} moments.",
            hint='use four or more sessions (waves=), or effects="constant".',
        )
    fit = fit_paths(ratings, model, WORDS[name])
    own = -2.0 * fit.log_likelihood
    row: dict[str, object] = {
        **asdict(fit.fit),
        "srmr": fit.srmr,
        "log_likelihood": fit.log_likelihood,
        "aic": own + 2.0 * fit.n_free,
        "bic": own + np.log(fit.n) * fit.n_free,
        "n": fit.n,
        "n_free": fit.n_free,
    }
    return fit, row | _equality(ratings, fit, other)


def _equality(ratings: Ratings, fit: PathFit, other: PathModel) -> dict[str, float]:
    """Return the likelihood-ratio test of effects that are equal over sessions."""
    from scipy.stats import chi2

    p, df = other.n_observed, abs(len(other.names) - fit.n_free)
    gap = float("nan")
    if df == 0 or len(other.names) > p * (p + 3) // 2:
        return {"equal_chi2": gap, "equal_df": gap, "equal_p_value": gap}
    sign = 1.0 if len(other.names) > fit.n_free else -1.0
    gain = 2.0 * sign * (maximum_log_likelihood(ratings, other) - fit.log_likelihood)
    # The freer model cannot fit worse: if it does, its largest likelihood was not found.
    gain = max(gain, 0.0) if gain > -1e-6 else gap
    return {"equal_chi2": gain, "equal_df": float(df), "equal_p_value": float(chi2.sf(gain, df))}


def _effects(
    fit: PathFit,
    name: Model,
    terms: tuple[str, str],
    panel: PanelTable,
    *,
    constant: bool,
    first_on_second: bool | None = None,
) -> list[LaggedEffects]:
    """Return the lagged effects of one direction."""
    direction = terms[1] == "2~1" if first_on_second is None else first_on_second
    suffixes = {None: ""} if constant else {panel.sessions[wave]: f"@{wave + 1}" for wave in range(1, panel.n_waves)}
    out = []
    for session, suffix in suffixes.items():
        places = [fit.position(term + suffix) for term in terms]
        covariance = fit.covariance[np.ix_(places, places)]
        out.append(LaggedEffects(name, direction, session, fit.theta[places], covariance, fit.n))
    return out


def _improper(fit: PathFit, name: Model) -> list[str]:
    """Return what is impossible about a solution, if anything."""
    everything = fit.model.matrix("covariance", fit.theta, range(fit.model.n_variables))
    used = np.flatnonzero(np.any(everything != 0, axis=1))
    matrix: FloatArray = everything[np.ix_(used, used)]
    scale = np.sqrt(np.abs(np.diag(matrix)))
    negative = int(np.sum(np.diag(matrix) <= 0))
    if negative:
        return [f"{negative} variances of the {WORDS[name]} are not positive"]
    if np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] < -1e-8:
        return [
            f"the covariances of intercepts and errors of the {WORDS[name]} do not go together (not positive definite)"
        ]
    return []


def _largest_root(fit: PathFit) -> float:
    """Return the largest modulus of the eigenvalues of the lagged effects."""
    matrix = np.array([[fit.theta[fit.position(f"{row}~{column}")] for column in (1, 2)] for row in (1, 2)])
    return float(np.abs(np.linalg.eigvals(matrix)).max())
