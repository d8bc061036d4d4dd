"""Generalizability coefficients of session ratings, from variance components. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alliance_stats.scales.facet_components import Effect


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """One coefficient: name, what it tells apart, value, how many of these there are, and its meaning."""

    term: str
    level: str
    value: float
    n: int
    meaning: str


def _ratio(signal: float, noise: float) -> float:
    """Return signal / (signal + noise), NaN without either."""
    return signal / (signal + noise) if signal + noise > 0 else float("nan")


def _sum(components: Mapping[Effect, float], *names: str) -> float:
    """Return the variance of an effect, with and without therapists."""
    plain = frozenset(names)
    nested = plain | {"therapist"}
    return sum(value for effect, value in components.items() if effect in (plain, nested))


def _persons(components: Mapping[Effect, float], *names: str) -> float:
    """Return the variance of persons, therapists' and patients' parts, with other facets."""
    therapist = components.get(frozenset({"therapist", *names}), 0.0)
    return therapist + _sum(components, "patient", *names)


def crossed_coefficients(
    components: Mapping[Effect, float], *, counts: Mapping[str, float], sizes: Mapping[str, int]
) -> tuple[Coefficient, ...]:
    """Return the coefficients for sessions that cross patients.

    Notes
    -----
    Cranford et al. (2006), doi 10.1177/0146167206287721; items and sessions as in the notes of
    `multilevel_reliability`.
    """
    m, k = counts["item"], counts["session"]
    # The residual is the effect of all facets together.
    error = components[max(components, key=len)] / m
    between = _persons(components) + _persons(components, "item") / m
    drift = components.get(frozenset({"session"}), 0.0)
    change = _persons(components, "session")
    rows = [
        ("R1F", "patients", _ratio(between, error), "one given session"),
        ("RKF", "patients", _ratio(between, error / k), "mean of given sessions"),
        ("R1R", "patients", _ratio(between, drift + change + error), "one session at random"),
        ("RKR", "patients", _ratio(between, (drift + change + error) / k), "mean of sessions at random"),
        ("RC", "sessions", _ratio(change, error), "change within a patient"),
    ]
    found = [_coefficient(row, sizes) for row in rows]
    if "therapist" in sizes:
        found.append(_therapists(components, counts=counts, sizes=sizes))
    return tuple(found)


def nested_coefficients(
    components: Mapping[Effect, float], *, counts: Mapping[str, float], sizes: Mapping[str, int]
) -> tuple[Coefficient, ...]:
    """Return the coefficients for sessions nested in patients, items as parallel measures.

    Notes
    -----
    Shrout & Lane (2012), equations 10 and 11.
    """
    m, k = counts["item"], counts["session"]
    error = components[max(components, key=len)] / m
    between, change = _persons(components), _sum(components, "patient", "session")
    rows = [
        ("R1RN", "patients", _ratio(between, change + error), "one session"),
        ("RKRN", "patients", _ratio(between, (change + error) / k), "mean of sessions"),
        ("RCN", "sessions", _ratio(change, error), "change within a patient"),
    ]
    found = [_coefficient(row, sizes) for row in rows]
    if "therapist" in sizes:
        found.append(_therapists(components, counts=counts, sizes=sizes))
    return tuple(found)


def _coefficient(row: tuple[str, str, float, str], sizes: Mapping[str, int]) -> Coefficient:
    """Return a coefficient with the number of what it tells apart."""
    term, level, value, meaning = row
    return Coefficient(term=term, level=level, value=value, n=sizes[level.removesuffix("s")], meaning=meaning)


def _therapists(
    components: Mapping[Effect, float], *, counts: Mapping[str, float], sizes: Mapping[str, int]
) -> Coefficient:
    """Return the coefficient of therapists' means over patients, sessions and items."""
    m, k, patients = counts["item"], counts["session"], counts["patient"]
    own = components.get(frozenset({"therapist"}), 0.0) + components.get(frozenset({"therapist", "item"}), 0.0) / m
    caseload = _sum(components, "patient") + _sum(components, "patient", "item") / m
    error = components[max(components, key=len)] / m
    visits = _sum(components, "patient", "session") + error
    noise = caseload / patients + visits / (patients * k) + components.get(frozenset({"session"}), 0.0) / k
    return _coefficient(("RT", "therapists", _ratio(own, noise), "mean of a therapist's patients"), sizes)
