"""Mediation over sessions: how a predictor reaches a later outcome through what changes in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.errors import DataError, ModelError
from alliance_stats.inference.case_resampling import level_tree
from alliance_stats.inference.replicates import run_replicates
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.indirect_effect import PathTask, Product, ends
from alliance_stats.process.long_run import wald_row
from alliance_stats.process.mediation_checks import check_order, check_roles, chosen_slopes, require_patients
from alliance_stats.process.mediation_notes import interval_note, mediation_notes
from alliance_stats.process.mediation_paths import (
    Paths,
    Slope,
    fit_stacked,
    path_sizes,
    residual_ratio,
    stacked_formula,
)
from alliance_stats.process.mediation_rows import Design, Stacked, chains_of, stacked
from alliance_stats.process.panel_table import FloatArray
from alliance_stats.process.parts import ordered_columns
from alliance_stats.result import Result

Interval: TypeAlias = Literal["product", "monte_carlo", "bootstrap"]
COMMON_LEVEL: dict[Design, str] = {"1-1-1": "session", "2-1-1": "patient"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Mediation(Result):
    """Paths and indirect effect of a mediation model; made by `mediation`.

    Parameters
    ----------
    predictor, mediator, outcome : str
        Columns, in scale points.
    design : {"1-1-1", "2-1-1"}
    lags : tuple of int
        Sessions between the ratings.
    paths : Paths
        Estimates with their covariance, and the mixed model.
    data : Stacked
        Both equations as one data set.
    n_chains, n_patients : int
    interval : {"product", "monte_carlo", "bootstrap"}
        Of indirect and total effect; "bootstrap" of all rows.
    draws : ndarray, shape (n, k) or (n, 2), or None
        Draws of the paths (bootstrap), or of indirect and total effect (Monte Carlo).
    notes : tuple of str
    """

    predictor: str
    mediator: str
    outcome: str
    design: Design
    lags: tuple[int, ...]
    paths: Paths = field(repr=False)
    data: Stacked = field(repr=False)
    n_chains: int
    n_patients: int
    interval: Interval = "product"
    draws: FloatArray | None = field(default=None, repr=False)

    def tidy(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return effects and paths.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals.

        Returns
        -------
        DataFrame
            One row per effect or path: outcome, predictor, term ("indirect", "total", "a", "b", "c_prime", for 1-1-1 "cov_ab",
            for 2-1-1 "b_within"), level ("session" or "patient"), kind ("effect", "path" or "covariance"), estimate,
            std_error, statistic, p_value, conf_low, conf_high, conf_level, n (patients). "indirect" and "total" have no
            statistic: a product of estimates is not normal. Units: points of the second rating per point of the first;
            cov_ab, indirect and total in outcome points per predictor point.

        Raises
        ------
        DataError
            If ``level`` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise DataError.build(
                f"level = {level} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval."
            )
        rows = [self._effect("indirect", level), self._effect("total", level)]
        rows += [self._path(name, level) for name in self.paths.names if name != "cov_ab" or self._has_covariance]
        return ordered_columns(pd.DataFrame(rows).assign(conf_level=level, n=self.n_patients))

    def glance(self) -> pd.DataFrame:
        """Return one row: columns, design, lags, N, kind of interval, state and formula of the fit."""
        fit = self.paths.fit
        names = {"predictor": self.predictor, "mediator": self.mediator, "outcome": self.outcome}
        size = {"n_patients": self.n_patients, "n_chains": self.n_chains, "interval": self.interval}
        state = {
            "criterion": fit.criterion,
            "converged": fit.converged,
            "singular": fit.singular,
            "formula": fit.formula,
        }
        return pd.DataFrame([names | {"design": self.design, "lags": ", ".join(map(str, self.lags))} | size | state])

    def monte_carlo(self, n: int = 20_000, *, seed: int) -> Mediation:
        """Return the same estimates with intervals of indirect and total effect from draws of the paths.

        Use it to compare with other software; `mediation` gives the limit of many draws at once.

        Parameters
        ----------
        n : int
            Number of draws, 1000 or more.
        seed : int

        Returns
        -------
        Mediation

        Raises
        ------
        ModelError
            If there are too few draws.
        """
        if n < 1000:
            raise ModelError.build(f"{n} draws are too few for the ends of an interval.", hint="use n=20000.")
        rng = np.random.default_rng(seed)
        draws = np.column_stack([self._product(term).draws(n, rng) for term in ("indirect", "total")])
        return self._with("monte_carlo", draws, f"{n} draws of the estimates")

    def bootstrap(self, n: int = 1000, *, seed: int, n_jobs: int = 1, progress: bool = True) -> Mediation:
        """Return the same estimates with percentile intervals from resampled patients.

        Use it when ratings or slopes are far from normal, or the fit is singular.

        Parameters
        ----------
        n : int
            Number of samples of patients.
        seed : int
            The same seed gives the same draws, whatever the number of workers.
        n_jobs : int
            Processes; -1 for as many as there are cores.
        progress : bool
            Show a bar on stderr when it takes longer than a second.

        Returns
        -------
        Mediation

        Raises
        ------
        ConvergenceError
            If more than a fifth of the refits fail.

        Notes
        -----
        The ratio of the two residual SDs is held at its estimate; everything else is estimated anew.
        """
        tree = level_tree(self._weighted())
        runs = run_replicates(PathTask(tree, self.design), n, seed, n_jobs=n_jobs, progress=progress)
        draws = runs.draws * path_sizes(self.paths.names, self.paths.unit)
        how = f"{n} samples of {self.n_patients} patients, {runs.n_failed} failed, {runs.n_singular} singular"
        return self._with("bootstrap", draws, how)

    def _weighted(self) -> LmmFit:
        """Return the model with the residual SDs' ratio as known weights."""
        ratio = residual_ratio(self.paths)
        weights = np.where(self.data.rows["equation"] == "mediator", 1.0, ratio**-2)
        return lmm(self.paths.fit.formula, self.data.rows, weights=weights)

    def _with(self, interval: Interval, draws: FloatArray, how: str) -> Mediation:
        """Return a copy with other intervals."""
        return replace(self, interval=interval, draws=draws, notes=(*self.notes[:-1], interval_note(interval, how)))

    @property
    def _has_covariance(self) -> bool:
        """Whether both slopes differ between patients."""
        return bool({"mx", "ym"} <= set(self.paths.fit.design.terms[0].names))

    def _product(self, term: str) -> Product:
        """Return the distribution of an effect: a b, plus cov_ab, for the total effect plus c'."""
        names = self.paths.names
        weights = np.zeros((3, len(names)))
        weights[0, names.index("a")] = weights[1, names.index("b")] = weights[2, names.index("cov_ab")] = 1.0
        if term == "total":
            weights[2, names.index("c_prime")] = 1.0
        return Product(weights @ self.paths.estimate, weights @ self.paths.covariance @ weights.T)

    def _effect(self, term: str, level: float) -> dict[str, object]:
        """Return the row of the indirect or the total effect."""
        product = self._product(term)
        tail = (1.0 - level) / 2.0
        error = product.std_error
        if self.draws is None:
            low, high = product.quantile(tail), product.quantile(1.0 - tail)
        else:
            drawn = self._drawn(term, self.draws)
            low, high = ends(drawn, level)
            error = float(np.nanstd(drawn, ddof=1))
        numbers = {"estimate": product.value, "std_error": error, "conf_low": low, "conf_high": high}
        return self._head(term, "effect", COMMON_LEVEL[self.design]) | numbers

    def _drawn(self, term: str, draws: FloatArray) -> FloatArray:
        """Return the draws of an effect, shape (n,)."""
        if self.interval == "monte_carlo":
            return np.asarray(draws[:, 0 if term == "indirect" else 1])
        column = {name: draws[:, position] for position, name in enumerate(self.paths.names)}
        through = column["a"] * column["b"] + column["cov_ab"]
        return np.asarray(through + column["c_prime"] if term == "total" else through)

    def _path(self, name: str, level: float) -> dict[str, object]:
        """Return the row of a path, or of the covariance of two."""
        position = self.paths.names.index(name)
        error = float(np.sqrt(self.paths.covariance[position, position]))
        row = wald_row(float(self.paths.estimate[position]), error, level)
        if self.draws is not None and self.interval == "bootstrap":
            drawn = self.draws[:, position]
            low, high = ends(drawn, level)
            row |= {"std_error": float(np.nanstd(drawn, ddof=1)), "conf_low": low, "conf_high": high}
            row |= {"statistic": float("nan"), "p_value": float("nan")}
        kind = "covariance" if name == "cov_ab" else "path"
        return self._head(name, kind, "session" if name == "b_within" else COMMON_LEVEL[self.design]) | row

    def _head(self, term: str, kind: str, level: str) -> dict[str, object]:
        """Return the first columns of a row."""
        outcome = self.mediator if term == "a" else self.outcome
        predictor = self.mediator if term in ("b", "b_within") else self.predictor
        return {"outcome": outcome, "predictor": predictor, "term": term, "level": level, "kind": kind}


def mediation(
    frame: pd.DataFrame,
    predictor: str,
    mediator: str,
    outcome: str,
    *,
    design: Design,
    lags: tuple[int, ...],
    covariates: Sequence[str] = (),
    slopes: Sequence[Slope] | None = None,
) -> Mediation:
    r"""Estimate an indirect effect over sessions, with effects that differ between patients.

    Use it to ask whether a predictor goes with a later outcome by way of a mediator in between. The estimand of "1-1-1" is the
    mean over patients of the product of the two effects within a patient; that of "2-1-1" is the product of the predictor's
    effect on patients' means of the mediator and the effect of these means on the outcome, between patients. Predictor,
    mediator and outcome must be ordered in time: ratings of one session cannot tell mediation from its reverse.

    Parameters
    ----------
    frame : DataFrame
        Session table, one row per patient and session.
    predictor, mediator, outcome : str
        Numeric columns. For "2-1-1" the predictor is the same in all sessions of a patient, such as the treatment (0, 1).
    design : {"1-1-1", "2-1-1"}
        Level of predictor, mediator and outcome: 1 for the session, 2 for the patient.
    lags : tuple of int
        Sessions from predictor to mediator and from mediator to outcome, 1 or more each: ``(1, 1)`` takes the mediator of the
        next session and the outcome of the one after. For "2-1-1" the last alone: ``(1,)``; the predictor must be older than
        the sessions.
    covariates : sequence of str
        Columns in both equations, of the predictor's session (for "2-1-1" the mediator's), such as ``"session"`` or the
        outcome before. If they vary within patients they enter as deviations from the patient's mean.
    slopes : sequence of {"a", "b", "c"} or None
        Effects that differ between patients: predictor on mediator, mediator on outcome, predictor on outcome. None: all
        that the design allows; for "2-1-1" that is the within-patient part of "b". ``()`` for none.

    Returns
    -------
    Mediation
        ``monte_carlo(seed=)`` and ``bootstrap(seed=)`` give the other intervals.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If a column has two roles, raters are mixed, no patient has all three ratings at these lags, or a rating is constant.
    ModelError
        If the order in time is missing, an option is unknown, or the data do not identify the model.
    ConvergenceError
        If no optimum was found.

    See Also
    --------
    reciprocal : Two ratings that act on each other.

    Notes
    -----
    "1-1-1" for session t of patient j, with x and m as deviations from the patient's mean (:math:`x', m'`):

    .. math:: m_{tj} = d_{mj} + a_j x'_{tj} + e_{tj}, \quad y_{tj} = d_{yj} + b_j m'_{tj} + c'_j x'_{tj} + f_{tj}

    All five effects covary freely between patients; both equations are fitted as one outcome, with a residual variance each
    (Bauer, Preacher & Gil, 2006), by REML. The indirect effect is :math:`ab + \mathrm{cov}(a_j, b_j)` (Kenny, Korchmaros &
    Bolger, 2003); the total effect adds :math:`c'`.

    "2-1-1", with the predictor of the patient and the mean of the mediator:

    .. math:: y_{tj} = d_{yj} + b_j m'_{tj} + b \bar m_j + c' x_j + f_{tj}

    and the indirect effect is :math:`ab`; with observed means instead of latent ones b is drawn towards the effect within
    patients.

    The interval is that of the distribution of the product of normal estimates, by quadrature: the limit of a Monte Carlo
    interval. Not ruled out: causes common to mediator and outcome, and effects of the outcome back on predictor or mediator,
    which also make person means endogenous (see `reciprocal`).

    References
    ----------
    Bauer, D. J., Preacher, K. J., & Gil, K. M. (2006). Conceptualizing and testing random indirect effects and moderated
    mediation in multilevel models. Psychological Methods, 11, 142-163. doi:10.1037/1082-989X.11.2.142

    Kenny, D. A., Korchmaros, J. D., & Bolger, N. (2003). Lower level mediation in multilevel models. Psychological Methods, 8,
    115-128. doi:10.1037/1082-989X.8.2.115

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> sessions = al.score(sessions, "ors", items="ors_{}")
    >>> roles = ("n_approval_reassurance", "wai_sr_mean", "ors_sum")
    >>> result = mediation(sessions, *roles, design="1-1-1", lags=(1, 1), slopes=("a", "b"))
    >>> result.tidy()["term"].tolist()
    ['indirect', 'total', 'a', 'b', 'c_prime', 'cov_ab']
    """
    columns = (predictor, mediator, outcome)
    added = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    check_order(design, lags)
    chosen = chosen_slopes(design, slopes)
    require_columns(frame, ["patient", "session", *columns, *added], hint="rename your columns with read_sessions().")
    check_roles(columns, added)
    chains = chains_of(frame, columns, added, lags=lags)
    data = stacked(chains, columns, design)
    require_patients(chains, stacked_formula(data, design, chosen))
    paths = fit_stacked(data, design, chosen)
    return Mediation(
        predictor=predictor,
        mediator=mediator,
        outcome=outcome,
        design=design,
        lags=tuple(lags),
        paths=paths,
        data=data,
        n_chains=len(chains.patient),
        n_patients=chains.n_patients,
        notes=tuple(mediation_notes(chains, paths, columns, design=design, lags=lags, covariates=added)),
    )
