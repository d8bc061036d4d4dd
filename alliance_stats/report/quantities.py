"""What the estimates of each type of result are, and how print calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alliance_stats.result import Result


@dataclass(frozen=True)
class Quantity:
    """What an estimate is.

    Parameters
    ----------
    symbol : str
        Printed before the number.
    percent : bool
        Whether a share between 0 and 1 is printed in percent.
    counted : bool
        Whether the number of units it is taken over is printed.
    tested_by : str
        What gives the p-value when the estimate has no test statistic.
    interval_named : bool
        Whether the notes tell how the interval was made.
    """

    symbol: str
    percent: bool = False
    counted: bool = False
    tested_by: str = ""
    interval_named: bool = False


@dataclass(frozen=True)
class Naming:
    """How the estimates of one type of result are called.

    Parameters
    ----------
    column : str
        Whose value tells the quantity; empty if all rows hold the same one.
    quantities : mapping of str to Quantity
        By value of the column.
    words : mapping of str to str
        What a column is called in the sentence, where its name does not fit.
    """

    column: str
    quantities: Mapping[str, Quantity]
    words: Mapping[str, str] = field(default_factory=dict)


SLOPE = Quantity("b")
MEAN = Quantity("M", counted=True)
SHARE = Quantity("share", percent=True, counted=True)
SYNCHRONY = Quantity("Fisher's z", counted=True, tested_by="shuffled windows")

_SLOPES = Naming("", {"": SLOPE})
_GAINS = {
    "patients_with_change": SHARE,
    "patients_with_several": SHARE,
    "intervals_with_change": SHARE,
    "reversed": SHARE,
    "magnitude": MEAN,
    "score": MEAN,
}
_RUPTURES = {
    "patients_with_rupture": SHARE,
    "patients_with_repair": SHARE,
    "patients_with_unrepaired": SHARE,
    "repaired": SHARE,
    "fall": MEAN,
    "decline_length": MEAN,
    "repair_length": MEAN,
    "onset": SHARE,
}
_INSTABILITY = {
    "mssd": Quantity("MSSD", counted=True),
    "rmssd": Quantity("RMSSD", counted=True),
    "adjusted_mssd": Quantity("adjusted MSSD", counted=True),
    "sd": Quantity("SD", counted=True),
    "von_neumann": Quantity("von Neumann ratio", counted=True),
    "autocorrelation": Quantity("r", counted=True),
}
_THERAPISTS = {
    "share of all variance": SHARE,
    "share of the variance of patients' means": SHARE,
    "share of the variance between patients": SHARE,
    "share of the variance of patients' slopes": SHARE,
    "variance explained by caseload": SHARE,
    "variance between therapists": Quantity("variance", counted=True),
    "variance of therapists' slopes": Quantity("variance", counted=True),
}
_GROWTH = {
    "within group": Quantity("change"),
    "between groups": Quantity("difference in change"),
    "mean": Quantity("M"),
    "between groups at one time": Quantity("mean difference"),
}
_MEDIATION = {
    "indirect": Quantity("indirect effect", interval_named=True),
    "total": Quantity("total effect", interval_named=True),
    "a": SLOPE,
    "b": SLOPE,
    "c_prime": SLOPE,
    "b_within": SLOPE,
    "cov_ab": Quantity("covariance"),
}
_RECIPROCAL = {"cross": SLOPE, "long_run": Quantity("long-run effect"), "autoregression": SLOPE}
_OVERLAP = {"share": SHARE, "kappa": Quantity("kappa", counted=True)}
_PAIRS = {"gain": MEAN, "control": MEAN, "difference": Quantity("mean difference", counted=True)}
_ASSOCIATIONS = {
    "spearman": Quantity("rho"),
    "spearman_change": Quantity("rho"),
    "least_squares": SLOPE,
    "probability_higher": Quantity("probability", counted=True),
}

_NAMINGS: Mapping[str, Naming] = {
    "LevelEffects": _SLOPES,
    "AllianceOutcome": _SLOPES,
    "AllianceOutcomes": _SLOPES,
    "ContextualTest": _SLOPES,
    "EarlyResponse": _SLOPES,
    "Multiverse": Naming("", {"": SLOPE}, {"model": "specification"}),
    "TherapistEffects": Naming("term", _THERAPISTS, {"profile": "profile interval", "bootstrap": "bootstrap interval"}),
    "Growth": Naming("kind", _GROWTH),
    "SuddenGains": Naming("term", _GAINS, {"category": "session", "gain": "gains", "loss": "losses"}),
    "GainContrast": Naming("group", _PAIRS, {"category": "session", "group": ""}),
    "Ruptures": Naming("term", _RUPTURES),
    "CriteriaOverlap": Naming("kind", _OVERLAP),
    "Instability": Naming("term", _INSTABILITY),
    "Synchrony": Naming(
        "term",
        dict.fromkeys(("mean_z", "mean_absolute_z", "first_leads_z", "second_leads_z", "z_at_lag"), SYNCHRONY),
    ),
    "Reciprocal": Naming("kind", _RECIPROCAL),
    "Mediation": Naming("term", _MEDIATION),
    "ShareAssociations": Naming("kind", _ASSOCIATIONS),
    "ShareContrasts": Naming("kind", _ASSOCIATIONS),
}
"""What estimates are called, by type of result."""


def naming_of(result: Result) -> Naming | None:
    """Return how the estimates of a result are called; None for a type that does not tell."""
    names = [kind.__name__ for kind in type(result).__mro__ if kind.__module__.startswith("alliance_stats.")]
    return next((_NAMINGS[name] for name in names if name in _NAMINGS), None)


def quantity_of(naming: Naming | None, record: Mapping[str, Any], symbol: str) -> Quantity:
    """Return what the estimate of a row is, one with this symbol if nothing tells."""
    key = "" if naming is None or not naming.column else str(record.get(naming.column))
    known = naming.quantities if naming else {}
    return known.get(key, Quantity(symbol))
