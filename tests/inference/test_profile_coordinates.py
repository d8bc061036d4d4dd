"""The coordinates that profiles move in: derivatives, the optimum, and limits that no other start beats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

import alliance_stats as al
from alliance_stats.inference.profile import likelihood_optimum
from alliance_stats.inference.profile_coordinates import Coordinates, Correlation, FixedEffect, RandomSd, ResidualSd
from alliance_stats.inference.profile_paths import profile_sides
from alliance_stats.inference.profile_terms import Rest, TurnedTerm, term_places
from alliance_stats.mixed.fit import LmmFit

STEP = 1e-5
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "mixed_cases.json").read_text())


def fit_of(case: str) -> LmmFit:
    spec = CASES[case]
    data = pd.read_csv(GOLDEN / "data" / f"{spec['data']}.csv")
    return al.lmm(spec["formula"], data, method="ML", weights=spec.get("weights"))


def three_effects(seed: int = 147) -> LmmFit:
    """Return a fit of three correlated effects over four levels, whose deviance has several minima."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(4), 15)
    x, z = rng.normal(size=(2, 60))
    x = x + 5
    y = rng.normal(size=4)[g] * 1.0 + rng.normal(size=60) + 0.1 * z
    return al.lmm("y ~ 1 + (1 + x + z | g)", pd.DataFrame({"g": g, "x": x, "z": z, "y": y}), method="ML")


def all_coordinates(fit: LmmFit) -> list[Coordinates]:
    optimum = likelihood_optimum(fit)
    whole = Rest.outside(optimum, None)
    p = len(fit.term_names)
    found: list[Coordinates] = [FixedEffect(whole, np.eye(p)[j], 1.0, 0.0) for j in range(p)]
    for place in term_places(fit):
        rest, width = Rest.outside(optimum, place), place.units.size
        found += [RandomSd(rest, TurnedTerm.putting_first(place, [i]), 1.0) for i in range(width)]
        found += [Correlation(rest, TurnedTerm.putting_first(place, [j, i])) for i in range(width) for j in range(i)]
    return [*found, ResidualSd(whole, 1.0)]


@pytest.mark.parametrize("case", ["sessions_weighted", "raters_slope", "slopes_uncorrelated", "clinics_slope", "three"])
def test_the_derivatives_are_those_of_the_deviance(case: str) -> None:
    rng = np.random.default_rng(6)
    for coordinates in all_coordinates(three_effects() if case == "three" else fit_of(case)):
        value = 0.8 * coordinates.estimate + 0.02
        free = coordinates.start + 0.2 * rng.normal(size=coordinates.start.size)
        height = coordinates.at(value, free)

        def moved(k: int, sign: float, c: Coordinates = coordinates, v: float = value, f: Any = free) -> float:
            shift = sign * STEP * np.eye(f.size + 1)[k]
            return c.at(v + shift[0], f + shift[1:]).deviance

        numeric = [(moved(k, 1.0) - moved(k, -1.0)) / (2 * STEP) for k in range(free.size + 1)]
        analytic = [height.by_value, *height.by_free]
        np.testing.assert_allclose(analytic, numeric, rtol=1e-5, atol=1e-5 * max(np.abs(numeric)))


@pytest.mark.parametrize("case", ["sessions_weighted", "raters_slope", "dyestuff2", "clinics_slope"])
def test_all_coordinates_have_the_deviance_of_the_fit_at_its_optimum(case: str) -> None:
    fit = fit_of(case)
    for coordinates in all_coordinates(fit):
        height = coordinates.at(coordinates.estimate, coordinates.start)
        assert height.deviance + fit.scaling.criterion_shift("ML") == pytest.approx(fit.criterion, rel=1e-12)
        assert abs(height.by_value) < 1e-4
        np.testing.assert_allclose(height.by_free, 0.0, atol=1e-4)


def test_limits_of_a_term_of_three_effects_are_not_beaten_from_other_starts() -> None:
    fit = three_effects()
    deviance = likelihood_optimum(fit).deviance
    rng = np.random.default_rng(1)
    cutoff = float(np.sqrt(chi2.ppf(0.95, 1)))
    # The second minimum lies above the SD of the first slope.
    coordinates = all_coordinates(fit)[2]
    _, high = profile_sides(coordinates, deviance, cutoff, confirm=True)
    assert high.reached

    def height(free: np.ndarray) -> tuple[float, np.ndarray]:
        found = coordinates.at(high.limit, free)
        return found.deviance, found.by_free

    starts = [coordinates.start + 0.3 * rng.normal(size=coordinates.start.size) for _ in range(20)]
    best = min(minimize(height, start, jac=True, method="L-BFGS-B").fun for start in starts)
    assert best - deviance == pytest.approx(cutoff**2, abs=1e-4)
    _, without = profile_sides(coordinates, deviance, cutoff)
    assert without.limit < high.limit - 1e-4
