"""Mediation over sessions: how a predictor reaches a later outcome through what changes in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from alliance_stats.inference.case_resampling import level_tree
from alliance_stats.inference.replicates import run_replicates
from alliance_stats.process.arguments import column_name, column_names, truth, whole_number
from alliance_stats.process.indirect_effect import PathTask, Product, ends
from alliance_stats.process.long_run import wald_row
from alliance_stats.process.mediation_checks import (
    check_roles,
    chosen_previous,
    chosen_slopes,
    ordered_lags,
    require_patients,
)
from alliance_stats.process.mediation_notes import interval_note, mediation_notes
from alliance_stats.process.mediation_paths import (
    Paths,
    Slope,
    fit_stacked,
    path_sizes,
    slopes_covary,
    stacked_formula,
    weighted_fit,
)
from alliance_stats.process.mediation_rows import Design, Stacked, chains_of, stacked
from alliance_stats.process.panel_options import interval_level, known_option, seed_number
from alliance_stats.process.panel_rows import FloatArray
from alliance_stats.process.parts import ordered_columns
from alliance_stats.process.session_frame import session_frame
from alliance_stats.result import Result

Interval: TypeAlias = Literal["product", "monte_carlo", "bootstrap"]
Previous: TypeAlias = Literal["mediator", "outcome"]
MIN_DRAWS = 1000
"""Fewer draws leave the ends of an interval to chance."""
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
    covariates : tuple of str
        Columns in both equations, previous mediator and outcome among them.
    level : float in (0, 1)
        Of intervals.
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
    covariates: tuple[str, ...]
    level: float
    paths: Paths = field(repr=False)
    data: Stacked = field(repr=False)
    n_chains: int
    n_patients: int
    interval: Interval = "product"
    draws: FloatArray | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        lags = f"{'lag' if len(self.lags) == 1 else 'lags'} {' and '.join(map(str, self.lags))}"
        return (
            f"Mediation({self.predictor} -> {self.mediator} -> {self.outcome}, {self.design}, {lags}, "
            f"{self.n_patients} patients, {self.n_chains} chains)"
        )

    def tidy(self, *, level: float | None = None) -> pd.DataFrame:
        """Return effects and paths.

        Parameters
        ----------
        level : float in (0, 1), optional
            Of the intervals; that of the result if left out.

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
        wanted = self.level if level is None else interval_level(level)
        rows = [self._effect("indirect", wanted), self._effect("total", wanted)]
        rows += [
            self._path(name, wanted) for name in self.paths.names if name != "cov_ab" or slopes_covary(self.paths.fit)
        ]
        return ordered_columns(pd.DataFrame(rows).assign(conf_level=wanted, n=self.n_patients))

    def glance(self) -> pd.DataFrame:
        """Return one row: columns, design, lags, N, kind and level of intervals, state and formula of the fit."""
        fit = self.paths.fit
        row: dict[str, object] = {"predictor": self.predictor, "mediator": self.mediator, "outcome": self.outcome}
        row |= {"design": self.design, "lags": ", ".join(map(str, self.lags)), "n_patients": self.n_patients}
        row |= {"n_chains": self.n_chains, "interval": self.interval, "conf_level": self.level}
        row |= {
            "criterion": fit.criterion,
            "converged": fit.converged,
            "singular": fit.singular,
            "formula": fit.formula,
        }
        return pd.DataFrame([row])

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
        DataError, ModelError
            If there are too few draws, or n or the seed is no whole number.
        """
        size, rng = whole_number(n, "n", least=MIN_DRAWS), np.random.default_rng(seed_number(seed))
        draws = np.column_stack([self._product(term).draws(size, rng) for term in ("indirect", "total")])
        return self._with("monte_carlo", draws, f"{size} draws of the estimates")

    def bootstrap(self, n: int = 1000, *, seed: int, n_jobs: int = 1, progress: bool = True) -> Mediation:
        """Return the same estimates with percentile intervals from resampled patients.

        Use it when ratings or slopes are far from normal, or when a and b both differ between patients: it lets their errors go
        together. It does not mend the interval of cov_ab of a singular fit.

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
        DataError, ModelError
            If n, the seed or the number of processes is no whole number.
        ConvergenceError
            If more than a fifth of the refits fail.

        Notes
        -----
        The ratio of the two residual SDs is held at its estimate; everything else is estimated anew.
        """
        shown = truth(progress, "progress")
        drawn, own = whole_number(n, "n", least=2), seed_number(seed)
        tree = level_tree(weighted_fit(self.paths, self.data))
        runs = run_replicates(PathTask(tree, self.design), drawn, own, n_jobs=n_jobs, progress=shown)
        draws = runs.draws * path_sizes(self.paths.names, self.paths.unit)
        how = f"{n} samples of {self.n_patients} patients, {runs.n_failed} failed, {runs.n_singular} singular"
        return self._with("bootstrap", draws, how)

    def _with(self, interval: Interval, draws: FloatArray, how: str) -> Mediation:
        """Return a copy with other intervals."""
        return replace(self, interval=interval, draws=draws, notes=(*self.notes[:-1], interval_note(interval, how)))

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
    previous: Sequence[Previous] = (),
    slopes: Sequence[Slope] | None = None,
    level: float = 0.95,
) -> Mediation:
    r"""Estimate an indirect effect over sessions, with effects that differ between patients.

    Use it to ask whether a predictor goes with a later outcome by way of a mediator in between. The estimand of "1-1-1" is the
    mean over patients of the product of the two effects within a patient; that of "2-1-1" is the product of the predictor's
    effect on patients' means of the mediator and the effect of these means on the outcome, between patients. Predictor,
    mediator and outcome must be ordered in time: ratings of one session cannot tell mediation from its reverse.

    Parameters
    ----------
    frame : DataFrame
        Session table, one row per patient and session. Rows without a patient id are left out.
    predictor, mediator, outcome : str
        Numeric columns. For "2-1-1" the predictor is the same in all sessions of a patient, such as the treatment (0, 1).
    design : {"1-1-1", "2-1-1"}
        Level of predictor, mediator and outcome: 1 for the session, 2 for the patient.
    lags : tuple of int
        Sessions from predictor to mediator and from mediator to outcome, 1 or more each: ``(1, 1)`` takes the mediator of the
        next session and the outcome of the one after. For "2-1-1" the last alone: ``(1,)``; the predictor must be older than
        the sessions.
    covariates : sequence of str
        Further columns in both equations, of the predictor's session (for "2-1-1" the mediator's), such as ``"session"``. If
        they vary within patients they enter as deviations from the patient's mean.
    previous : sequence of {"mediator", "outcome"}
        Ratings that are held fixed as they were in the predictor's session, in both equations; for "2-1-1" the outcome of the
        mediator's session alone. Without them no rating's own earlier value is in the model.
    slopes : sequence of {"a", "b", "c"} or None
        Effects that differ between patients: predictor on mediator, mediator on outcome, predictor on outcome. None: all
        that the design allows; for "2-1-1" that is the within-patient part of "b". ``()`` for none.
    level : float in (0, 1)
        Of all intervals.

    Returns
    -------
    Mediation
        ``monte_carlo(seed=)`` and ``bootstrap(seed=)`` give the other intervals.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric, or a rating column names people or sessions.
    DataError
        If ``frame`` is no frame, an option is of a wrong type, a column has two roles, raters are mixed, a session repeats, a
        value is infinite, no patient has all three ratings at these lags, or a rating is constant or repeated by a covariate.
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

    If a and b both differ between patients this interval is somewhat too wide: chains of a patient overlap, so that errors of
    the paths and of cov_ab partly cancel, which the fit takes as independent. In 1,400 simulated studies of 60 patients with
    8 sessions the 95 percent interval missed the truth in 4 percent (docs/validation/mediation.py);
    ``bootstrap`` lets errors go together. cov_ab has the delta method's error, also if the fit is singular (see ``notes``).

    What mediator and outcome were before goes with all three ratings and passes for an effect of the predictor (Maxwell & Cole,
    2007); ``previous`` takes them into both equations. Deviations from means of few sessions bias the slopes of such ratings
    downwards (Nickell, 1981; see `reciprocal`), so that some of the bias stays.

    References
    ----------
    Bauer, D. J., Preacher, K. J., & Gil, K. M. (2006). Conceptualizing and testing random indirect effects and moderated
    mediation in multilevel models. Psychological Methods, 11, 142-163. doi:10.1037/1082-989X.11.2.142

    Kenny, D. A., Korchmaros, J. D., & Bolger, N. (2003). Lower level mediation in multilevel models. Psychological Methods, 8,
    115-128. doi:10.1037/1082-989X.8.2.115

    Maxwell, S. E., & Cole, D. A. (2007). Bias in cross-sectional analyses of longitudinal mediation. Psychological Methods, 12,
    23-44. doi:10.1037/1082-989X.12.1.23

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
    roles = {"predictor": predictor, "mediator": mediator, "outcome": outcome}
    columns = [column_name(value, role) for role, value in roles.items()]
    known_option(design, "design", get_args(Design))
    steps, chosen, wanted = ordered_lags(design, lags), chosen_slopes(design, slopes), interval_level(level)
    given = column_names(covariates, "covariates")
    check_roles(columns, given)
    before = chosen_previous(design, previous)
    added = (*given, *(roles[name] for name in before))
    chains = chains_of(session_frame(frame), columns, added, lags=steps)
    data = stacked(chains, columns, design)
    require_patients(chains, stacked_formula(data, design, chosen))
    paths = fit_stacked(data, design, chosen)
    return Mediation(
        predictor=predictor,
        mediator=mediator,
        outcome=outcome,
        design=design,
        lags=steps,
        covariates=added,
        level=wanted,
        paths=paths,
        data=data,
        n_chains=len(chains.patient),
        n_patients=chains.n_patients,
        notes=tuple(mediation_notes(chains, paths, columns, design=design, lags=steps)),
    )
