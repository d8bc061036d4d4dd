"""A fitted linear mixed model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.design import Design
from alliance_stats.mixed.factor import FixedPart, fixed_part
from alliance_stats.mixed.intake import Weights
from alliance_stats.mixed.levelsums import Codes, Floats
from alliance_stats.mixed.modes import Modes, conditional_modes
from alliance_stats.mixed.noise import ResidualKind, residual_covariance, residuals
from alliance_stats.mixed.notes import fit_notes
from alliance_stats.mixed.optimise import Optimum
from alliance_stats.mixed.residualestimate import ResidualEstimate
from alliance_stats.mixed.scaling import Scaling, Standardised, standard_theta
from alliance_stats.mixed.structured import Structured, fixed_part_at
from alliance_stats.mixed.termfactors import grouping_factors, term_factors, theta_in_order
from alliance_stats.mixed.variances import variance_table, with_residual_rows
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
    structured : Structured or None
        What a residual structure adds; ``residual`` has its estimates.
    """

    method: str
    design: Design = field(repr=False)
    cross_products: CrossProducts = field(repr=False)
    scaling: Scaling = field(repr=False)
    optimum: Optimum = field(repr=False)
    dropped: tuple[str, ...] = ()
    structured: Structured | None = field(default=None, repr=False)

    @classmethod
    def from_optimum(
        cls,
        design: Design,
        standardised: Standardised,
        cp: CrossProducts,
        optimum: Optimum,
        *,
        method: str,
        structured: Structured | None = None,
    ) -> Self:
        """Bundle what a fit consists of, with its notes."""
        fit = cls(
            method=method,
            design=design,
            cross_products=cp,
            scaling=standardised.scaling,
            optimum=optimum,
            dropped=standardised.dropped,
            structured=structured,
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
        return self.optimum.criterion + self.scaling.criterion_shift(self.method)

    @property
    def log_likelihood(self) -> float:
        """Log likelihood, restricted for REML."""
        return -0.5 * self.criterion

    @cached_property
    def term_factors(self) -> tuple[Floats, ...]:
        """Lower triangular relative covariance factor of each random term, in the order of the formula."""
        return term_factors(self.design, grouping_factors(self.cross_products, self.scaling, self.optimum.theta))

    @cached_property
    def theta(self) -> Floats:
        """Relative covariance factors in lme4's order, shape (n_theta,).

        Terms by decreasing number of levels; of each the lower triangle, column by column.
        """
        return theta_in_order(self.design, self.term_factors)

    @property
    def residual(self) -> ResidualEstimate | None:
        """The residual structure with its estimates; None for independent residuals."""
        return None if self.structured is None else self.structured.estimate

    @property
    def n_residual_parameters(self) -> int:
        """Number of parameters of the residual structure, sigma aside."""
        return 0 if self.residual is None else len(self.residual.names)

    @property
    def sigma_fixed(self) -> bool:
        """Whether the residual standard deviation was given instead of estimated."""
        return self.design.sigma is not None

    @property
    def n_parameters(self) -> int:
        """Number of parameters: fixed effects, theta, residual parameters, and sigma unless it was given."""
        return len(self.term_names) + self.theta.size + self.n_residual_parameters + (not self.sigma_fixed)

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
        """Return variances and covariances of the random effects, the residual variance and residual parameters.

        Returns
        -------
        DataFrame
            One row per variance or covariance: group, term, term2, kind, estimate (squared units), and sd or correlation. A
            residual structure adds rows of the group "Residual": kind "sd_ratio" (estimate: ratio to the reference, term2;
            sd: of the group) and "correlation" (estimate without unit).
        """
        table = variance_table(self.design.terms, self.term_factors, self.sigma)
        return table if self.residual is None else with_residual_rows(table, self.residual, self.sigma)

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
            from alliance_stats.mixed.leveltable import all_level_tables

            return all_level_tables(self)
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
        weights, or residual variances by group, the residual variance is its mean over the rows. AIC and BIC count parameters
        as lme4 does, and those of a residual structure; a given sigma is none.
        """
        from alliance_stats.mixed.shares import glance_row

        return glance_row(self)

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
        from alliance_stats.mixed.leveltable import level_table

        return level_table(self, group)

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
            New rows; the rows of the fit if left out. Levels that the fit has not seen get a random effect of zero. Residual
            correlation with rows of the fit is not used.
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

    def residuals(self, kind: ResidualKind = "raw") -> pd.Series[float]:
        """Return residuals for the rows used.

        Parameters
        ----------
        kind : {"raw", "normalised"}
            Outcome minus fitted value; or that divided by its SD and made independent by the residual structure, so that
            normalised residuals of a good model look like independent standard normal draws.
        """
        return residuals(self, kind)

    def residual_covariance(self, rows: Codes) -> Floats:
        """Return the covariance of the residuals of some rows, in squared units of the outcome, shape (n, n).

        ``rows`` are positions among the rows used, an array of int of shape (n,).
        """
        return residual_covariance(self, np.asarray(rows))

    def augment(self) -> pd.DataFrame:
        """Return outcome, fitted value, fixed part and residual of the rows used."""
        from alliance_stats.mixed.prediction import augmented

        return augmented(self)

    def simulate(self, rng: np.random.Generator) -> Floats:
        """Return a new outcome drawn from the fitted model, shape (n_rows,)."""
        from alliance_stats.mixed.prediction import simulate

        return simulate(self, rng)

    def refit(self, y: Sequence[float] | Floats) -> LmmFit:
        """Fit the same model, with its residual structure, to another outcome.

        Parameters
        ----------
        y : array-like, shape (n_rows,)
            For the rows used.
        """
        from alliance_stats.mixed.lmm import refit

        return refit(self, y)

    def deviance_at(self, theta: Floats) -> float:
        """Return the criterion at another theta, in lme4's order and on lme4's scale; residual parameters as estimated."""
        cp, shift = self.cross_products, self.scaling.criterion_shift(self.method)
        there = standard_theta(self.design, cp, self.scaling, theta)
        return fixed_part(cp, there, reml=self.method == "REML").criterion + shift

    @cached_property
    def criterion_parameters(self) -> Floats:
        """The point that `fixed_part_at` takes, at the solution: theta of standardised columns, then residual parameters."""
        if self.structured is None:
            return self.optimum.theta
        return np.append(self.optimum.theta, self.structured.estimate.parameters[self.structured.free])

    def fixed_part_at(self, parameters: Floats) -> FixedPart:
        """Return criterion and fixed effects at other variance parameters, for derivatives of the likelihood.

        Parameters
        ----------
        parameters : ndarray, shape (n_theta + n_free,)
            Like `criterion_parameters`: theta of standardised columns, then the residual parameters without bounds that are
            not at a limit (``fit.residual.parameters``).

        Returns
        -------
        FixedPart
            Of standardised columns, at any point comparable with that at the solution: ``fit.scaling`` leads to the user's
            units, and the criterion and log|H| hold the determinant of the residual structure.
        """
        return fixed_part_at(self.structured, self.cross_products, parameters, reml=self.method == "REML")

    def to_dict(self) -> dict[str, Any]:
        """Return the fit without its data as plain values, ready for JSON; see `from_dict`."""
        from alliance_stats.mixed.storage import stored_fit

        return {**super().to_dict(), **stored_fit(self)}

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
        from alliance_stats.mixed.storage import rebuild_fit

        return rebuild_fit(stored, data, weights)

    def summary(self) -> str:
        """Return the fit as text, in the form lme4 users know."""
        from alliance_stats.mixed.summary import summary

        return summary(self)
