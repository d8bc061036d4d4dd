"""What two engines are compared on, under names that every engine can give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.variances import RESIDUAL

Key: TypeAlias = tuple[str, int, int, int]
"""Kind of quantity, random term, effect and second effect; zero where not needed."""

FIXED_EFFECT: Final = "fixed_effect"
STD_ERROR: Final = "std_error"
VARIANCE: Final = "variance"
COVARIANCE: Final = "covariance"
SIGMA: Final = "sigma"
CRITERION: Final = "criterion"


@dataclass(frozen=True)
class Quantity:
    """One number of a fit.

    Parameters
    ----------
    key : tuple
    term, term2, group : str
        As in the fit's own tables; empty where not needed.
    value : float
    scale : float
        Uncertainty of the quantity, in its own units; tolerances are fractions of it.
    """

    key: Key
    term: str
    term2: str
    group: str
    value: float
    scale: float

    @property
    def kind(self) -> str:
        """Return the kind of quantity."""
        return self.key[0]


@dataclass(frozen=True)
class OtherFit:
    """What another engine found.

    Parameters
    ----------
    label : str
        Engine with its version, for notes.
    found : dict
        Quantities by key; empty if the engine found nothing.
    notes : tuple of str
        What it warned of, or why it found nothing.
    """

    label: str
    found: dict[Key, float]
    notes: tuple[str, ...] = ()


def quantities_of(fit: LmmFit) -> list[Quantity]:
    """Return fixed effects, standard errors, (co)variances, residual SD and criterion of a fit.

    Parameters
    ----------
    fit : LmmFit

    Returns
    -------
    list of Quantity
    """
    errors = np.sqrt(np.diagonal(fit.fixed_covariance))
    effects = fit.fixed_effects.to_numpy()
    found = [
        Quantity((FIXED_EFFECT, 0, j, 0), name, "", "", float(effects[j]), float(errors[j]))
        for j, name in enumerate(fit.term_names)
    ]
    found += [
        Quantity((STD_ERROR, 0, j, 0), name, "", "", float(errors[j]), float(errors[j]))
        for j, name in enumerate(fit.term_names)
    ]
    for k in range(len(fit.design.terms)):
        found += _components(fit, k)
    found.append(Quantity((SIGMA, 0, 0, 0), "", "", RESIDUAL, fit.sigma, fit.sigma))
    found.append(Quantity((CRITERION, 0, 0, 0), "", "", "", fit.criterion, 1.0))
    return found


def _components(fit: LmmFit, k: int) -> list[Quantity]:
    """Return the variances and covariances of one random term."""
    term, factor = fit.design.terms[k], fit.term_factors[k]
    covariance = fit.sigma**2 * factor @ factor.T
    spread = np.diagonal(covariance) + _level_noise(fit, k)
    found = []
    for i, name in enumerate(term.names):
        for j in range(i + 1):
            kind = VARIANCE if i == j else COVARIANCE
            first, second = (name, "") if i == j else (term.names[j], name)
            scale = float(np.sqrt(spread[i] * spread[j]))
            value = float(covariance[i, j])
            found.append(Quantity((kind, k, i, j), first, second, term.grouping.name, value, scale))
    return found


def _level_noise(fit: LmmFit, k: int) -> Floats:
    """Return sigma squared over the mean of each level's sum of squares of an effect's column, shape (q,)."""
    term = fit.design.terms[k]
    weights = np.ones(fit.n_obs) if fit.design.weights is None else fit.design.weights
    sums = [float(weights.sum() if column is None else weights @ column**2) for column in term.columns]
    return np.asarray(fit.sigma**2 * len(term.grouping.labels) / np.array(sums))


def fixed_columns(fit: LmmFit) -> Floats:
    """Return the fixed effects' columns that were estimated, shape (n_rows, p)."""
    ones = np.ones(fit.n_obs)
    columns = [fit.design.x.columns[j] for j in fit.scaling.x_kept]
    stacked = [ones if column is None else column for column in columns]
    return np.column_stack(stacked) if stacked else np.zeros((fit.n_obs, 0))


def random_columns(fit: LmmFit, k: int) -> Floats:
    """Return the columns of one random term, shape (n_rows, q)."""
    ones = np.ones(fit.n_obs)
    return np.column_stack([ones if column is None else column for column in fit.design.terms[k].columns])


def one_line(message: object) -> str:
    """Return a message of another engine on one line, without numbers with decimals or paths that may stem from the data."""
    words = " ".join(str(message).split()).split(" ")
    plain = ["..." if "/" in word or _has_decimals(word) else word for word in words]
    return " ".join(plain)[:200]


def _has_decimals(word: str) -> bool:
    """Tell whether a word holds a number with decimals."""
    return any(a.isdigit() and b == "." and c.isdigit() for a, b, c in zip(word, word[1:], word[2:], strict=False))
