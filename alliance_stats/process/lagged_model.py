"""The multilevel model of a rating by both ratings one session before, with person-mean centred predictors."""

from __future__ import annotations

import numpy as np

from alliance_stats.errors import DataError, ModelError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.centering import within_between
from alliance_stats.process.long_run import LaggedEffects
from alliance_stats.process.panel_table import PanelTable

FORMULA = "outcome ~ outcome_session_lag1 + predictor_session_lag1 + predictor_patient + C(session) + (1 | patient)"


def lagged_model(panel: PanelTable, *, first_on_second: bool) -> LaggedEffects:
    """Fit the model of one direction.

    Parameters
    ----------
    panel : PanelTable
    first_on_second : bool
        Whether the first rating predicts the second, or the other way round.

    Raises
    ------
    DataError
        If too few sessions follow a rated session.
    ModelError
        If the lagged ratings cannot be told apart.
    """
    names = ("predictor", "outcome") if first_on_second else ("outcome", "predictor")
    table = panel.long().rename(columns=dict(zip(("first", "second"), names, strict=True)))
    for name in names:
        table = within_between(table, name, levels=("patient",), lag=1)
    needed = ["outcome", "outcome_session_lag1", "predictor_session_lag1"]
    rows = table.loc[table[needed].notna().all(axis=1)]
    if len(rows) <= rows["patient"].nunique() + panel.n_waves + 3:
        raise DataError.build(
            f"Only {len(rows)} sessions of {rows['patient'].nunique()} patients follow a session in which both were rated.",
            hint="use more sessions (waves=) or patients; a lagged effect needs sessions in a row.",
        )
    fit = lmm(FORMULA, rows)
    terms = ["outcome_session_lag1", "predictor_session_lag1"]
    # Ratings centred by the user have no patient means; any other term that is left out takes a lagged rating's meaning.
    if set(fit.dropped) - {"predictor_patient"}:
        raise ModelError.build(
            f"In {len(rows)} sessions the two ratings of the session before are perfectly collinear: beside patients' means and "
            "session means one is the other in other units.",
            hint="pass two ratings that differ, or use more sessions (waves=).",
        )
    return LaggedEffects(
        model="multilevel",
        first_on_second=first_on_second,
        session=None,
        estimate=np.asarray(fit.fixed_effects.loc[terms], dtype=np.float64),
        covariance=fit.fixed_covariance.loc[terms, terms].to_numpy(dtype=float),
        n=len(rows),
    )


def within_spread(panel: PanelTable) -> tuple[float, float]:
    """Return the pooled SDs of both ratings within patients."""
    spreads = []
    for ratings in (panel.first, panel.second):
        several = ratings[np.sum(~np.isnan(ratings), axis=1) > 1]
        squares = np.nansum((several - np.nanmean(several, axis=1, keepdims=True)) ** 2)
        spreads.append(float(np.sqrt(squares / (np.sum(~np.isnan(several)) - len(several)))))
    return spreads[0], spreads[1]
