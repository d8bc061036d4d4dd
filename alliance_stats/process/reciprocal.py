"""Alliance and symptoms session by session, in both directions, by three models side by side."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pandas as pd

from alliance_stats.errors import AllianceStatsWarning, ModelError
from alliance_stats.process.arguments import column_name
from alliance_stats.process.lagged_model import lagged_model, within_spread
from alliance_stats.process.long_run import Interval, LaggedEffects, long_run_row, wald_row
from alliance_stats.process.panel_models import PanelModels, fit_panel_models
from alliance_stats.process.panel_options import interval_level, known_option, seed_number
from alliance_stats.process.panel_table import panel_table
from alliance_stats.process.parts import ordered_columns
from alliance_stats.process.reciprocal_notes import reciprocal_notes
from alliance_stats.process.session_frame import session_frame
from alliance_stats.result import Result

Effects = Literal["constant", "by_session"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reciprocal(Result):
    """Lagged effects in both directions by three models; made by `reciprocal`.

    Parameters
    ----------
    alliance, symptom : str
        Columns, in scale points.
    sessions : tuple of int
        Session numbers used.
    n_patients : int
    effects : {"constant", "by_session"}
    interval : {"delta", "monte_carlo"}
        Of long-run effects.
    seed : int or None
    level : float in (0, 1)
        Of intervals.
    lagged : tuple of LaggedEffects
        One per model, direction and, with "by_session", session.
    fits : DataFrame
        What ``fit_indices()`` returns.
    spread : tuple of float
        Pooled SDs of alliance and symptom within patients.
    notes : tuple of str
        Estimand, centring, estimators, fit, bias, rows left out and why, N.
    """

    alliance: str
    symptom: str
    sessions: tuple[int, ...]
    n_patients: int
    effects: Effects
    interval: Interval
    seed: int | None
    level: float
    lagged: tuple[LaggedEffects, ...] = field(repr=False)
    fits: pd.DataFrame = field(repr=False)
    spread: tuple[float, float] = field(repr=False)

    def __repr__(self) -> str:
        n_models = len({effects.model for effects in self.lagged})
        return (
            f"Reciprocal({self.alliance} <-> {self.symptom}, {len(self.sessions)} sessions, {self.n_patients} patients, "
            f"{n_models} models)"
        )

    def tidy(self, *, level: float | None = None) -> pd.DataFrame:
        """Return the effects.

        Parameters
        ----------
        level : float in (0, 1), optional
            Of the intervals; that of the result if left out.

        Returns
        -------
        DataFrame
            One row per model, direction and kind: model ("multilevel", "ri_clpm", "dynamic_panel"), outcome, predictor,
            term, kind ("cross": effect of the other rating one session before; "autoregression": of the outcome's own;
            "long_run": cross / (1 - autoregression)), estimate (outcome points per predictor point), std_error, statistic
            (z), p_value, conf_low, conf_high, conf_level, n (patients; rows for "multilevel"), std_estimate (in pooled SDs
            within patients, the same for all models), session (of the outcome; missing if the effect is the same in all).
            With ``effects="by_session"`` the structural models have no rows of kind "long_run".

        Raises
        ------
        DataError
            If ``level`` is not between 0 and 1.
        """
        wanted = self.level if level is None else interval_level(level)
        records = [record for effects in self.lagged for record in self._rows(effects, wanted)]
        table = pd.DataFrame(records).sort_values("kind", key=lambda kind: kind.map(_KINDS), kind="stable")
        return ordered_columns(table.reset_index(drop=True)).astype({"session": "Int64"})

    def _rows(self, effects: LaggedEffects, level: float) -> list[dict[str, object]]:
        """Return the rows of one model, direction and session."""
        names = (self.alliance, self.symptom)
        predictor, outcome = names if effects.first_on_second else names[::-1]
        ratio = self.spread[0] / self.spread[1]
        ratio = ratio if effects.first_on_second else 1.0 / ratio
        error = np.sqrt(np.diag(effects.covariance))
        kinds = {
            "cross": (
                predictor,
                f"{predictor}_lag1",
                wald_row(float(effects.estimate[1]), float(error[1]), level),
                ratio,
            ),
            "autoregression": (
                outcome,
                f"{outcome}_lag1",
                wald_row(float(effects.estimate[0]), float(error[0]), level),
                1.0,
            ),
        }
        if effects.session is None:
            row = long_run_row(effects, level, interval=self.interval, seed=self.seed)
            kinds["long_run"] = (predictor, f"{predictor}_lag1 / (1 - {outcome}_lag1)", row, ratio)
        return [
            {"model": effects.model, "outcome": outcome, "predictor": source, "term": term, "kind": kind}
            | row
            | {"n": effects.n, "std_estimate": row["estimate"] * scale, "session": effects.session}
            for kind, (source, term, row, scale) in kinds.items()
        ]

    def fit_indices(self) -> pd.DataFrame:
        """Return how well the structural models fit.

        Returns
        -------
        DataFrame
            One row per model: model, outcome (empty for the RI-CLPM, which has both), chi2, df, p_value, cfi, tli, rmsea,
            rmsea_low, rmsea_high (90 percent), srmr, log_likelihood, aic, bic, n, n_free, and the likelihood-ratio test of
            effects that are equal over sessions: equal_chi2, equal_df, equal_p_value.
        """
        return self.fits.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: columns, sessions, N, effects, conf_level, fit of the RI-CLPM and its test of equal effects."""
        own = self.fits.iloc[0]
        names = ["chi2", "df", "p_value", "cfi", "rmsea", "srmr", "log_likelihood", "equal_p_value"]
        head: dict[str, object] = {"alliance": self.alliance, "symptom": self.symptom, "n_patients": self.n_patients}
        head |= {"n_sessions": len(self.sessions), "first_session": self.sessions[0], "effects": self.effects}
        head |= {"conf_level": self.level}
        return pd.DataFrame([head | {f"ri_clpm_{name}": own[name] for name in names}])


_KINDS = {"cross": 0, "long_run": 1, "autoregression": 2}


def reciprocal(
    frame: pd.DataFrame,
    alliance: str,
    symptom: str,
    *,
    waves: int | None = None,
    effects: Effects = "constant",
    interval: Interval = "delta",
    seed: int | None = None,
    level: float = 0.95,
) -> Reciprocal:
    r"""Estimate effects of alliance on symptoms and of symptoms on alliance, from one session to the next.

    Use it to ask which of the two leads. The estimand is, within a patient, the expected difference in one rating per
    point of the other rating one session before, the rating's own value before held fixed. Three models answer the same
    question from the same sessions; where they agree, the answer does not hang on the choice.

    Parameters
    ----------
    frame : DataFrame
        Session table, one row per patient and session; ratings may be missing, rows too. Rows without a patient id are left
        out.
    alliance, symptom : str
        Numeric columns, in scale points.
    waves : int or None
        Number of sessions used, from the lowest session number on, 3 or more. None: the sessions that half of the patients
        reached. Sessions are placed by their numbers, so a gap stays a gap.
    effects : {"constant", "by_session"}
        Whether lagged effects of the structural models are equal over sessions. Either way `Reciprocal.fit_indices` has the
        likelihood-ratio test of equal effects.
    interval : {"delta", "monte_carlo"}
        Of long-run effects: normal, or quantiles of 20,000 draws of the two effects.
    seed : int or None
        Needed for "monte_carlo".
    level : float in (0, 1)
        Of all intervals.

    Returns
    -------
    Reciprocal
        ``tidy()`` has cross-lagged effects, long-run effects and autoregressions of each model and direction.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric, or names people or sessions.
    DataError
        If ``frame`` is no frame, an option is of a wrong type, raters are mixed in one column, a session repeats, a rating is
        infinite or constant, or there are fewer than three sessions.
    ModelError
        If an option is unknown, the ratings are perfectly collinear, or the data do not identify a model.
    ConvergenceError
        If no maximum of a likelihood was found.

    Warns
    -----
    AllianceStatsWarning
        If a structural model has an impossible solution, such as a negative variance.

    See Also
    --------
    alliance_outcome : One direction, with therapists, covariates and random slopes.
    mediation : A third rating in between.

    Notes
    -----
    With outcome y and predictor x of patient i in session t:

    - "multilevel": :math:`y_{it} = m_t + \phi (y_{it-1} - \bar y_i) + \beta (x_{it-1} - \bar x_i) + \gamma \bar x_i + u_i +
      e_{it}`, by REML. Person means beside a lagged outcome bias :math:`\phi` downwards and :math:`\beta` with it (Nickell,
      1981): with T outcomes per patient (one less than sessions) by :math:`-(1 + \phi) / 2` for T = 2, for many by about
      :math:`-(1 + \phi) / (T - 1)`; ``notes`` has the size by the exact formula. More patients do not help, more sessions do.
    - "ri_clpm", the random-intercept cross-lagged panel model: :math:`y_{it} = m_t + \kappa_i + w_{it}` and the same for x;
      deviations w follow :math:`w^y_{it} = \phi w^y_{it-1} + \beta w^x_{it-1} + e_{it}`. Deviations are new in the first
      session: variances and the covariance of intercepts, of first deviations and of errors in each session are free.
    - "dynamic_panel", one model per direction: :math:`y_{it} = m_t + \phi y_{it-1} + \beta x_{it-1} + \alpha_i + e_{it}`. The
      patient's effect covaries with all x and the first y; errors covary with x of the same and later sessions, so that
      symptoms may act back on the alliance. How x comes about is left open.

    The structural models are fitted by maximum likelihood to all ratings, complete or not (missing at random, normal).
    Standard errors come from the expected information if ratings are complete, else from the observed one, as in lavaan.
    The long-run effect :math:`\beta / (1 - \phi)` is what a lasting difference of one point comes to, the other direction
    held off. Therapists and covariates are left out; one lag; equal spacing; errors of measurement are not corrected and
    draw within-patient effects towards zero.

    References
    ----------
    Allison, P. D., Williams, R., & Moral-Benito, E. (2017). Maximum likelihood for cross-lagged panel models with fixed
    effects. Socius, 3. doi:10.1177/2378023117710578

    Hamaker, E. L., Kuiper, R. M., & Grasman, R. P. P. P. (2015). A critique of the cross-lagged panel model. Psychological
    Methods, 20, 102-116. doi:10.1037/a0038889

    Nickell, S. (1981). Biases in dynamic models with fixed effects. Econometrica, 49, 1417-1426. doi:10.2307/1911408

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> sessions = al.score(sessions, "ors", items="ors_{}")
    >>> table = reciprocal(sessions, "wai_sr_mean", "ors_sum", waves=4).tidy()
    >>> on_outcome = table[(table["kind"] == "cross") & (table["outcome"] == "ors_sum")]
    >>> on_outcome[["model", "estimate"]].round(1).to_numpy().tolist()
    [['multilevel', 0.9], ['ri_clpm', 1.5], ['dynamic_panel', 0.8]]
    """
    _check_options(effects, interval, seed)
    names, wanted = (column_name(alliance, "alliance"), column_name(symptom, "symptom")), interval_level(level)
    panel = panel_table(session_frame(frame), *names, waves)
    multilevel = [lagged_model(panel, first_on_second=direction) for direction in (True, False)]
    found = fit_panel_models(panel, constant=effects == "constant")
    if found.improper:
        warnings.warn(
            f"Impossible solution: {'; '.join(found.improper)}. Compare the models, and try more patients or other sessions.",
            AllianceStatsWarning,
            stacklevel=2,
        )
    lagged = (*multilevel, *found.lagged)
    return Reciprocal(
        alliance=alliance,
        symptom=symptom,
        sessions=panel.sessions,
        n_patients=panel.n_patients,
        effects=effects,
        interval=interval,
        seed=seed,
        level=wanted,
        lagged=lagged,
        fits=_named(found, names),
        spread=within_spread(panel),
        notes=tuple(reciprocal_notes(panel, found, names, lagged=lagged, interval=interval)),
    )


def _check_options(effects: object, interval: object, seed: object) -> None:
    """Raise a ModelError for an option that is not known."""
    known_option(effects, "effects", get_args(Effects))
    known_option(interval, "interval", get_args(Interval))
    if seed is not None:
        seed_number(seed)
    elif interval == "monte_carlo":
        raise ModelError.build(
            "Monte Carlo intervals need a seed.", hint="pass for example seed=1, or interval='delta'."
        )


def _named(found: PanelModels, names: tuple[str, str]) -> pd.DataFrame:
    """Return the fit table with the names of the outcomes."""
    outcome = found.fits["outcome"].map({"first": names[0], "second": names[1], "": ""})
    return found.fits.assign(outcome=outcome)
