"""Slopes of the alliance on the outcome, one per level, and what may be asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, ModelError, counted, unknown_name
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.centering import Detrend
from alliance_stats.process.level_estimates import carriers
from alliance_stats.process.level_words import sizes_text, slopes_text
from alliance_stats.process.outcome_model import TREND_WORDS, Adjustments, OutcomeModel
from alliance_stats.process.parts import CONF_LEVEL, Part, ordered_columns, parts_of
from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class AllianceOutcome(Result):
    """Slopes of the alliance on a later outcome at the session, patient and therapist level.

    Parameters
    ----------
    alliance, outcome : str
        Columns, in scale points.
    levels : mapping of str to str
        Level name to grouping column, from the inside out.
    lag : int
        In sessions, from alliance to outcome.
    detrend : {"linear", "quadratic"} or None
        Whether the patient's own line or parabola was taken out of the alliance's session part.
    adjustments : Adjustments
        What the slopes are adjusted for.
    model : OutcomeModel
        Random part, residuals, means and df method.
    level : float in (0, 1)
        Of the intervals.
    fit : LmmFit
        The mixed model.
    estimates : DataFrame
        What ``tidy()`` returns.
    frame : DataFrame
        The rows analysed, with the parts as columns; one row per patient and session, the index its position in the frame
        given.
    notes : tuple of str
        Estimand, centring, lag, model, bias, rows left out and why, N per level.
    """

    alliance: str
    outcome: str
    levels: Mapping[str, str]
    lag: int
    detrend: Detrend | None
    adjustments: Adjustments = field(default_factory=Adjustments)
    model: OutcomeModel = field(default_factory=OutcomeModel)
    level: float = CONF_LEVEL
    fit: LmmFit = field(repr=False)
    frame: pd.DataFrame = field(repr=False)
    estimates: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        return "\n".join(
            [
                f"AllianceOutcome: {self.outcome} on {self.alliance}, lag {self.lag}, {TREND_WORDS[self.detrend]}",
                sizes_text(self.frame, self.levels),
                *slopes_text(self.by_level()),
            ]
        )

    @property
    def predictors(self) -> tuple[str, ...]:
        """The column that was split: the alliance."""
        return (self.alliance,)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The columns of the alliance in the model, from the session outwards."""
        return tuple(parts_of(self.alliance, self.levels, self.lag))

    def tidy(self) -> pd.DataFrame:
        """Return the estimates.

        Returns
        -------
        DataFrame
            One row per fixed effect, the parts of the alliance first, and one row per contextual difference (slope at a
            level minus slope at the level below): model, outcome, predictor, term, level ("session", "patient",
            "therapist", "contextual" or "covariate"), estimate (outcome points per alliance point), std_error, df,
            statistic (t), p_value, conf_low, conf_high, conf_level, n (rows or units that carry the estimate, as
            in `by_level`; all rows for a covariate), std_estimate: the estimate times the SD of the part over that of the
            outcome, both over the rows analysed and at the estimate's own level. Within patients the SDs are of deviations
            from the mean there, the outcome not detrended; between, of observed means, each unit counted once.
        """
        return ordered_columns(self.estimates)

    def by_level(self) -> pd.DataFrame:
        """Return the levels side by side.

        Returns
        -------
        DataFrame
            One row per level, the session first: predictor, level, estimate, std_error, df, p_value, conf_low, conf_high,
            conf_level (all raw), std_estimate, difference (from the slope of the level below; missing for the session),
            difference_p_value, n_sessions, n_patients, n_therapists (and so on) that carry the estimate: for the session
            slope those of patients whose alliance ever differs from their mean, for the patient slope those of therapists
            whose patients' means differ. Means are of all ratings, so that one analysed row or patient may carry a slope.
        """
        rows = {str(row["term"]): row for row in self.estimates.to_dict("records")}
        records: list[dict[str, Any]] = []
        for inner, part in pairwise([None, *self.parts]):
            if part is None:
                continue
            between = rows[f"{part.column} - {inner.column}"] if inner is not None else {}
            records.append(
                {"predictor": self.alliance, "level": part.level}
                | {name: rows[part.column][name] for name in _SHOWN}
                | {"difference": between.get("estimate", np.nan), "difference_p_value": between.get("p_value", np.nan)}
                | carriers(self.frame, part, self.levels)
            )
        return pd.DataFrame(records)

    def slope(self, level: str = "pooled") -> pd.Series[Any]:
        """Return the slope of one level; a pooled slope is refused.

        Parameters
        ----------
        level : str
            "session" or a name in ``levels``.

        Returns
        -------
        Series
            The row of `by_level`.

        Raises
        ------
        ModelError
            For a slope that pools the levels, with what it would mix.
        DataError
            If there is no such level.
        """
        table = self.by_level()
        if level in ("pooled", "overall", "total"):
            mixed = self.mixture()
            shares = ", ".join(f"{w:.0%} {name}" for name, w in zip(mixed["level"], mixed["weight"], strict=True))
            raise ModelError.build(
                f"A pooled slope of {self.alliance} on {self.outcome} answers no question: in these data it would be a mix of "
                f"{shares} slope, with weights that come from the numbers of sessions and patients.",
                hint=f'name a level, for example slope("{self.parts[0].level}"), or report all of by_level().',
            )
        if level not in set(table["level"]):
            raise unknown_name(DataError, "level", level, list(table["level"]))
        return table[table["level"] == level].iloc[0]

    def mixture(self) -> pd.DataFrame:
        """Return what one slope for all levels would mix.

        Returns
        -------
        DataFrame
            One row per level: level, estimate, weight. Weights add up to one; a weight may be negative when slopes are
            correlated.

        Notes
        -----
        With the slopes b of the levels, their covariance C and a vector of ones 1, generalised least squares with the same
        variances and one slope for all levels gives ``w'b`` with ``w = C^-1 1 / (1'C^-1 1)``. It is shown to say why that slope
        is not offered.
        """
        columns = [part.column for part in self.parts]
        terms = [str(term).strip("`") for term in self.fit.term_names]
        places = [terms.index(column) for column in columns]
        covariance = self.fit.fixed_covariance.to_numpy()[np.ix_(places, places)]
        raw = np.linalg.solve(covariance, np.ones(len(places)))
        return pd.DataFrame(
            {
                "level": [part.level for part in self.parts],
                "estimate": self.fit.fixed_effects.to_numpy()[places],
                "weight": raw / raw.sum(),
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row: alliance, outcome, lag, trend, N per level, residual SD, criterion, state of the fit."""
        counts = {f"n_{level}s": self.frame[column].nunique() for level, column in self.levels.items()}
        return pd.DataFrame(
            [
                {"alliance": self.alliance, "outcome": self.outcome, "lag": self.lag, "detrend": self.detrend or "none"}
                | {"n_sessions": len(self.frame)}
                | counts
                | {"sigma": self.fit.sigma, "criterion": self.fit.criterion, "converged": self.fit.converged}
                | {"singular": self.fit.singular, "formula": self.fit.formula}
            ]
        )


_SHOWN = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "conf_level", "std_estimate")
"""Columns of the estimates that stand side by side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AllianceOutcomes(Result):
    """Several models of alliance and outcome side by side: subscales, or as rated and detrended.

    Parameters
    ----------
    results : tuple of AllianceOutcome
        One model each; the subscales do not stand in one model together.
    notes : tuple of str
        What comparing the models means, then notes that all models share.
    """

    results: tuple[AllianceOutcome, ...] = field(repr=False)

    def __repr__(self) -> str:
        lines = [f"AllianceOutcomes: {counted(len(self.results), 'model')}"]
        for place, result in enumerate(self.results, 1):
            model = f"{result.outcome} on {result.alliance}, lag {result.lag}, {TREND_WORDS[result.detrend]}"
            lines += [f"({place}) {model}: {sizes_text(result.frame, result.levels)}", *slopes_text(result.by_level())]
        return "\n".join(lines)

    def tidy(self) -> pd.DataFrame:
        """Return the estimates of all models, one below the other; ``model`` names outcome, alliance, lag and trend."""
        return pd.concat([result.tidy() for result in self.results], ignore_index=True)

    def by_level(self) -> pd.DataFrame:
        """Return the levels side by side, one row per model and level."""
        tables = [result.by_level().assign(model=str(result.estimates["model"].iloc[0])) for result in self.results]
        return ordered_columns(pd.concat(tables, ignore_index=True))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, lag, number of models, smallest and largest N, whether all converged."""
        sizes = [len(result.frame) for result in self.results]
        first = self.results[0]
        return pd.DataFrame(
            [
                {"outcome": first.outcome, "lag": first.lag, "n_models": len(self.results)}
                | {"n_sessions_min": min(sizes), "n_sessions_max": max(sizes)}
                | {"converged": all(result.fit.converged for result in self.results)}
            ]
        )
