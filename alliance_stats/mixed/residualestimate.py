"""Estimates of a residual structure, in the user's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.residuals import ResidualStructure
from alliance_stats.mixed.whitening import ResidualModel


@dataclass(frozen=True)
class ResidualEstimate:
    """A residual structure with its estimates.

    Parameters
    ----------
    structure : ResidualStructure
    names : tuple of str
        Of the parameters: ratios of SDs first, then the correlation.
    kinds : tuple of str
        "sd_ratio" or "correlation".
    estimates : ndarray, shape (k,)
        Ratios of residual SDs to that of the reference group, and the correlation: of neighbours (ar1), across one unit of time
        (car1), or of rows of a block (compound symmetry).
    parameters : ndarray, shape (k,)
        The same without bounds: logarithms of ratios, and the transformed correlation; minus infinity for one at zero.
    covariance : ndarray, shape (k, k)
        Of ``parameters``, from the curvature of the criterion; zero for a correlation at its limit of zero.
    reference : str
        The group whose residual SD is sigma; empty without ``variance_by``.
    at_limit : bool
        Whether a correlation in continuous time is estimated at zero.
    """

    structure: ResidualStructure
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    estimates: Floats
    parameters: Floats
    covariance: Floats
    reference: str = ""
    at_limit: bool = False


def describe(model: ResidualModel) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the reference group, and names and kinds of the parameters."""
    labels, structure = model.rows.group_labels, model.rows.structure
    by = ":".join(structure.variance_by)
    names = [f"{by}[{label}]" for label in labels[1:]]
    kinds = ["sd_ratio"] * len(names)
    if structure.correlation is not None:
        names.append(str(structure.correlation))
        kinds.append("correlation")
    return (f"{by}[{labels[0]}]" if labels else ""), tuple(names), tuple(kinds)


def make_estimate(model: ResidualModel, phi: Floats, covariance: Floats) -> ResidualEstimate:
    """Return the structure with its estimates."""
    reference, names, kinds = describe(model)
    return ResidualEstimate(
        structure=model.rows.structure,
        names=names,
        kinds=kinds,
        estimates=model.natural(phi),
        parameters=phi,
        covariance=covariance,
        reference=reference,
        at_limit=not bool(np.isfinite(phi).all()),
    )


def stored_estimate(model: ResidualModel, stored: dict[str, Sequence[float]]) -> ResidualEstimate:
    """Return the estimate from what a stored fit kept of it."""
    phi = model.unbounded(np.asarray(stored["estimates"], dtype=float))
    return make_estimate(model, phi, np.asarray(stored["covariance"], dtype=float).reshape(phi.size, phi.size))
