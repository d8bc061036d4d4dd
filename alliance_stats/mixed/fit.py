"""A fitted linear mixed model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from alliance_stats.errors import DataError, ModelError, unknown_name
from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.design import Design, require_varying
from alliance_stats.mixed.factor import FixedPart, fixed_part
from alliance_stats.mixed.intake import Weights
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.modes import Modes, conditional_modes
from alliance_stats.mixed.notes import fit_notes
from alliance_stats.mixed.optimise import Optimum
from alliance_stats.mixed.scaling import Scaling, Standardised, standard_theta, theta_to_user
from alliance_stats.mixed.variances import fixed_variance, random_variances, variance_table
from alliance_stats.mixed.wald import wald_table
from alliance_stats.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

Effects: TypeAlias = Literal["fixed", "random", "levels"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LmmFit(Result):
    """A fitted linear mixed model; made by `lmm`.

    Parameters
    ----------
    method : str
        "REML" or "ML".
    design : Design
        Formula and arrays of the rows used.
    cross_products : CrossProducts
        In standardised columns.
    scaling : Scaling
        The way from standardised columns to the user's.
    optimum : Optimum
        Everything the optimiser did.
    dropped : tuple of str
        Fixed effects left out because others explain them.
    """

    method: str
    design: Design = field(repr=False)
    cross_products: CrossProducts = field(repr=False)
    scaling: Scaling = field(repr=False)
    optimum: Optimum = field(repr=False)
    dropped: tuple[str, ...] = ()

    @classmethod
    def from_optimum(
        cls, design: Design, standardised: Standardised, cp: CrossProducts, optimum: Optimum, *, method: str
    ) -> Self:
        """Bundle what a fit consists of, with its notes."""
        fit = cls(
            method=method,
            design=design,
            cross_products=cp,
            scaling=standardised.scaling,
            optimum=optimum,
            dropped=standardised.dropped,
        )
        return replace(fit, notes=fit_notes(fit))

    def __repr__(self) -> str:
        return f"LmmFit({self.formula!r}, method={self.method!r}, n={self.n_obs}, criterion={self.criterion:.4f})"

    @property
    def formula(self) -> str:
        """The formula as given."""
        return self.design.formula.text

    @property
    def response(self) -> str:
        """Name of the outcome."""
        return self.design.formula.response

    @cached_property
    def _solution(self) -> FixedPart:
        return fixed_part(self.cross_products, self.optimum.theta, reml=self.method == "REML")

    @cached_property
    def term_names(self) -> tuple[str, ...]:
        """Names of the fixed effects that were estimated."""
        return tuple(self.design.x.names[j] for j in self.scaling.x_kept)

    @cached_property
    def fixed_effects(self) -> pd.Series[float]:
        """Fixed effects, one value per term."""
        return pd.Series(self.scaling.beta(self._solution.beta), index=list(self.term_names), name="estimate")

    @cached_property
    def fixed_covariance(self) -> pd.DataFrame:
        """Covariance matrix of the fixed effects, terms by terms."""
        root = self._solution.root
        half = solve_triangular(root, np.eye(root.shape[0]), check_finite=False, lower=True)
        covariance = self.scaling.beta_covariance(self._solution.sigma2 * half.T @ half)
        return pd.DataFrame(covariance, index=list(self.term_names), columns=list(self.term_names))

    @cached_property
    def sigma(self) -> float:
        """Residual standard deviation, in units of the outcome."""
        return float(np.sqrt(self._solution.sigma2)) * self.scaling.y_scale

    @cached_property
    def criterion(self) -> float:
        """-2 log likelihood, or the REML criterion, on lme4's scale."""
        reml = self.method == "REML"
        shift = self.scaling.criterion_shift_reml if reml else self.scaling.criterion_shift_ml
        return self.optimum.criterion + shift

    @property
    def log_likelihood(self) -> float:
        """Log likelihood, restricted for REML."""
        return -0.5 * self.criterion

    @cached_property
    def _by_grouping(self) -> list[Floats]:
        """Lambda of each grouping factor for the user's columns, in the order of the design's groupings."""
        order = self.cross_products.order
        transforms = [self.scaling.z_transforms[k] for k in order]
        roots = theta_to_user(self.optimum.theta, self.cross_products.patterns, transforms)
        given: list[Floats] = [np.zeros(0)] * len(roots)
        for k, root in zip(order, roots, strict=True):
            given[k] = root
        return given

    @cached_property
    def term_factors(self) -> tuple[Floats, ...]:
        """Lower triangular relative covariance factor of each random term, in the order of the formula."""
        offsets = dict.fromkeys((g.name for g in self.design.groupings), 0)
        names = [g.name for g in self.design.groupings]
        factors = []
        for term in self.design.terms:
            start, width = offsets[term.grouping.name], len(term.names)
            whole = self._by_grouping[names.index(term.grouping.name)]
            factors.append(whole[start : start + width, start : start + width])
            offsets[term.grouping.name] = start + width
        return tuple(factors)

    @cached_property
    def theta(self) -> Floats:
        """Relative covariance factors in lme4's order, shape (n_theta,).

        Terms by decreasing number of levels; of each the lower triangle, column by column.
        """
        sizes = [len(term.grouping.labels) for term in self.design.terms]
        order = sorted(range(len(sizes)), key=lambda k: -sizes[k])
        pieces = [self.term_factors[k].T[np.triu_indices(self.term_factors[k].shape[0])] for k in order]
        return np.concatenate(pieces)

    @property
    def n_obs(self) -> int:
        """Number of rows used."""
        return self.design.n_rows

    @property
    def n_levels(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return {g.name: len(g.labels) for g in self.design.groupings}

    @property
    def converged(self) -> bool:
        """Whether the gradient vanishes at the solution."""
        return self.optimum.converged

    @property
    def singular(self) -> bool:
        """Whether some combination of random effects has no variance."""
        return self.optimum.singular

    def variance_components(self) -> pd.DataFrame:
        """Return variances and covariances of the random effects and the residual variance.

        Returns
        -------
        DataFrame
            One row per variance or covariance: group, term, term2, kind, estimate (squared units), and sd or correlation.
        """
        return variance_table(self.design.terms, self.term_factors, self.sigma)

    def tidy(self, effects: Effects = "fixed", *, level: float = 0.95) -> pd.DataFrame:
        """Return estimates as a table.

        Parameters
        ----------
        effects : {"fixed", "random", "levels"}
            Fixed effects with Wald intervals, variance components, or the predicted effects of every level.
        level : float in (0, 1)
            Of the intervals.
        """
        if effects == "random":
            return self.variance_components()
        if effects == "levels":
            parts = [self.random_effects(g.name).assign(group=g.name) for g in self.design.groupings]
            return pd.concat(parts, ignore_index=True)[["group", "level", "term", "estimate", "std_error"]]
        if effects != "fixed":
            raise unknown_name(ModelError, "kind of effects", effects, ["fixed", "random", "levels"])
        return wald_table(self.fixed_effects, np.sqrt(np.diagonal(self.fixed_covariance)), level)

    def glance(self) -> pd.DataFrame:
        """Return one row: sizes, criterion, information criteria, shares of variance, convergence.

        Notes
        -----
        ``icc_<group>`` is the share of a factor in the variance that the fixed part leaves; with random slopes, which make
        that variance depend on the row, its mean over the rows used. ``r2_marginal`` and ``r2_conditional`` are the shares
        of the fixed part, and of fixed and random part together: Nakagawa and Schielzeth (2013,
        doi 10.1111/j.2041-210x.2012.00261.x), with random slopes as in Johnson (2014, doi 10.1111/2041-210X.12225). With
        weights the residual variance is the mean of sigma squared over the weights. AIC and BIC count parameters as
        lme4 does.
        """
        n_parameters = len(self.term_names) + self.theta.size + 1
        fixed, random = fixed_variance(self), random_variances(self)
        residual = self.sigma**2 * self._mean_inverse_weight
        total = fixed + sum(random.values()) + residual
        row: dict[str, Any] = {"outcome": self.response, "method": self.method, "n": self.n_obs}
        row |= {f"n_{name}": count for name, count in self.n_levels.items()}
        row |= {
            "sigma": self.sigma,
            "criterion": self.criterion,
            "log_likelihood": self.log_likelihood,
            "aic": self.criterion + 2 * n_parameters,
            "bic": self.criterion + np.log(self.n_obs) * n_parameters,
        }
        row |= {f"icc_{name}": value / (total - fixed) for name, value in random.items()}
        row |= {"r2_marginal": fixed / total, "r2_conditional": (total - residual) / total}
        row |= {"converged": self.converged, "singular": self.singular}
        return pd.DataFrame([row])

    @cached_property
    def _mean_inverse_weight(self) -> float:
        return 1.0 if self.design.weights is None else float(np.mean(1.0 / self.design.weights))

    @cached_property
    def _modes(self) -> list[Modes]:
        return conditional_modes(self.cross_products, self.optimum.theta, self._solution.beta)

    def random_effects(self, group: str | None = None) -> pd.DataFrame:
        """Return the predicted effects of every level of a grouping factor.

        Parameters
        ----------
        group : str, optional
            Grouping factor; may be left out when there is one only.

        Returns
        -------
        DataFrame
            One row per level and effect: level, term, estimate and std_error (conditional on the variance components and
            the fixed effects), in units of the outcome per unit of the effect's column.
        """
        names = [g.name for g in self.design.groupings]
        if group is None and len(names) > 1:
            raise ModelError.build("The model has several grouping factors.", hint=f"name one of {', '.join(names)}.")
        if group is not None and group not in names:
            raise unknown_name(ModelError, "grouping factor", group, names)
        k = 0 if group is None else names.index(group)
        grouping = self.design.groupings[k]
        modes, spread = self.level_effects(k)
        effects = [name for term in self.design.terms if term.grouping is grouping for name in term.names]
        labels = grouping.labels.repeat(len(effects))
        return pd.DataFrame(
            {
                "level": labels.to_numpy() if labels.nlevels == 1 else labels.to_flat_index(),
                "term": effects * len(grouping.labels),
                "estimate": modes.T.ravel(),
                "std_error": spread.T.ravel(),
            }
        )

    def level_effects(self, k: int) -> tuple[Floats, Floats]:
        """Return predicted effects of the k-th grouping factor and their conditional SDs, each of shape (q, n_levels)."""
        transform, modes = self.scaling.z_transforms[k], self._modes[k]
        covariance = np.einsum("ab,bcn,dc->adn", transform, modes.covariance, transform, optimize=True)
        variances = np.maximum(np.diagonal(covariance, axis1=0, axis2=1).T, 0.0)
        return self.scaling.y_scale * transform @ modes.mode, self.sigma * np.sqrt(variances)

    def predict(self, new: Any = None, *, random: bool = True) -> pd.Series[float]:
        """Return predictions on the scale of the outcome.

        Parameters
        ----------
        new : DataFrame, optional
            New rows; the rows of the fit if left out. Levels that the fit has not seen get a random effect of zero.
        random : bool
            Add the predicted random effects (True) or give the fixed part alone (False).

        Returns
        -------
        Series
            One value per row, missing where a predictor is missing; a row without a level gets a random effect of zero.
        """
        from alliance_stats.mixed.prediction import predict

        return predict(self, new, random=random)

    def fitted(self) -> pd.Series[float]:
        """Return predictions for the rows used, random effects included."""
        return self.predict()

    def residuals(self) -> pd.Series[float]:
        """Return outcome minus fitted value for the rows used."""
        return pd.Series(self.design.y - self.fitted().to_numpy(), index=self.design.index, name="residual")

    def augment(self) -> pd.DataFrame:
        """Return outcome, fitted value, fixed part and residual of the rows used."""
        fitted = self.fitted()
        return pd.DataFrame(
            {
                self.response: self.design.y,
                "fitted": fitted,
                "fixed": self.predict(random=False),
                "residual": self.design.y - fitted,
            },
            index=self.design.index,
        )

    def simulate(self, rng: np.random.Generator) -> Floats:
        """Return a new outcome drawn from the fitted model, shape (n_rows,)."""
        from alliance_stats.mixed.prediction import simulate

        return simulate(self, rng)

    def refit(self, y: Sequence[float] | Floats) -> LmmFit:
        """Fit the same model to another outcome, on the prepared cross-products.

        Parameters
        ----------
        y : array-like, shape (n_rows,)
            For the rows used.
        """
        outcome = np.ascontiguousarray(y, dtype=float)
        if outcome.shape != (self.n_obs,) or not np.isfinite(outcome).all():
            raise DataError.build(
                f"refit() needs {self.n_obs} finite numbers, one for each row used; it got {outcome.size}.",
                hint="leave out the rows that the fit left out.",
            )
        from alliance_stats.mixed.lmm import fit_design

        require_varying(outcome, self.response)
        method: Literal["REML", "ML"] = "REML" if self.method == "REML" else "ML"
        return fit_design(replace(self.design, y=outcome), method=method)

    def deviance_at(self, theta: Floats) -> float:
        """Return the criterion at another theta, in lme4's order and on lme4's scale."""
        reml = self.method == "REML"
        shift = self.scaling.criterion_shift_reml if reml else self.scaling.criterion_shift_ml
        standardised = standard_theta(self.design, self.cross_products, self.scaling, theta)
        return fixed_part(self.cross_products, standardised, reml=reml).criterion + shift

    def to_dict(self) -> dict[str, Any]:
        """Return the fit without its data as plain values, ready for JSON; see `from_dict`."""
        return {
            **super().to_dict(),
            "formula": self.formula,
            "method": self.method,
            "theta": [float(value) for value in self.theta],
            "criterion": self.criterion,
            "weighted": self.design.weights is not None,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any], data: Any, *, weights: Weights = None) -> LmmFit:
        """Rebuild a fit from what `to_dict` gave and the same data, without searching again.

        Parameters
        ----------
        stored : dict
        data : DataFrame
            The data of the fit; they are not stored.
        weights : str or array-like, optional
            As in the fit.

        Raises
        ------
        DataError
            If the criterion at the stored theta is another one: the data or weights differ.
        """
        from alliance_stats.mixed.lmm import rebuild_fit

        return rebuild_fit(stored, data, weights)

    def summary(self) -> str:
        """Return the fit as text, in the form lme4 users know."""
        from alliance_stats.mixed.summary import summary

        return summary(self)
