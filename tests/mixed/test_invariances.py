"""What must not change the fit, and what must change it in a known way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_sessions import sessions

from alliance_stats import lmm
from alliance_stats.mixed.fit import LmmFit

NESTED = "distress ~ session + alliance + arm + (1 + session | patient) + (1 | therapist)"
CROSSED = "distress ~ session + alliance + (1 + session | patient) + (1 + alliance | site)"
FORMULAS = {"nested": NESTED, "crossed": CROSSED}
few = settings(max_examples=12, deadline=None, derandomize=True)


def data() -> pd.DataFrame:
    """Return sessions with a site that crosses patients, in a fixed order."""
    frame = sessions()
    effects = np.array([2.0, -1.0, 0.5, -1.5, 1.0])
    site = np.random.default_rng(8).integers(0, 5, len(frame))
    return frame.assign(site=site, distress=frame["distress"] + effects[site] * (1 + 0.5 * frame["alliance"]))


@pytest.fixture(scope="module")
def reference() -> dict[str, LmmFit]:
    return {name: lmm(formula, data()) for name, formula in FORMULAS.items()}


def assert_same(a: LmmFit, b: LmmFit, *, rtol: float = 1e-6) -> None:
    """Fail unless two fits agree in all they report."""
    assert a.criterion == pytest.approx(b.criterion, abs=1e-7, rel=1e-9)
    np.testing.assert_allclose(a.fixed_effects[list(b.term_names)], b.fixed_effects, rtol=rtol)
    np.testing.assert_allclose(a.tidy()["std_error"], b.tidy()["std_error"], rtol=rtol)
    np.testing.assert_allclose(a.theta, b.theta, rtol=1e-4, atol=1e-5)
    assert a.sigma == pytest.approx(b.sigma, rel=rtol)


def effects_by_level(fit: LmmFit, group: str) -> pd.Series:
    """Return predicted effects by the text of the level and by term."""
    table = fit.random_effects(group)
    return table.assign(level=table["level"].astype(str)).set_index(["level", "term"])["estimate"].sort_index()


@few
@given(seed=st.integers(0, 1000), name=st.sampled_from(sorted(FORMULAS)))
def test_row_order_does_not_matter(seed: int, name: str) -> None:
    shuffled = lmm(FORMULAS[name], data().sample(frac=1, random_state=seed))
    original = lmm(FORMULAS[name], data())
    assert_same(shuffled, original)
    found, expected = effects_by_level(shuffled, "patient"), effects_by_level(original, "patient")
    pd.testing.assert_series_equal(found, expected, rtol=1e-5, atol=1e-6)
    pd.testing.assert_series_equal(shuffled.fitted().sort_index(), original.fitted(), rtol=1e-5)


DTYPES: dict[str, Callable[[pd.Series], Any]] = {
    "object": lambda s: s.astype(object),
    "integers": lambda s: pd.factorize(s)[0],
    "integers far from zero": lambda s: pd.factorize(s)[0] * 10**15 - 7 * 10**16,
    "small integers": lambda s: pd.factorize(s)[0].astype(np.int8),
    "unsigned integers": lambda s: pd.factorize(s)[0].astype(np.uint64) + np.uint64(2**63),
    "nullable integers": lambda s: pd.array(pd.factorize(s)[0], dtype="Int64"),
    "floats": lambda s: pd.factorize(s)[0] / 7,
    "text": lambda s: "p" + s,
    "python text": lambda s: s.astype(pd.StringDtype("python")),
    "arrow text": lambda s: s.astype(pd.StringDtype("pyarrow")),
    "dates": lambda s: pd.Timestamp("2020-01-01") + pd.to_timedelta(pd.factorize(s)[0], unit="D"),
    "mixed": lambda s: [
        v if i % 2 else str(v) for i, v in zip(pd.factorize(s)[0], pd.factorize(s)[0] * 3, strict=True)
    ],
    "categories": lambda s: s.astype("category"),
    "unused categories": lambda s: pd.Categorical(s, categories=["never", *sorted(set(s)), "nowhere"]),
    "shuffled categories": lambda s: pd.Categorical(s, categories=sorted(set(s), key=lambda v: v[::-1])),
    "ordered categories": lambda s: pd.Categorical(s, categories=sorted(set(s), reverse=True), ordered=True),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_type_of_ids_does_not_matter(dtype: str, name: str, reference: dict[str, LmmFit]) -> None:
    fit = lmm(FORMULAS[name], data().assign(patient=lambda f: DTYPES[dtype](f["patient"])))
    assert fit.n_levels == reference[name].n_levels
    assert_same(fit, reference[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_levels_keep_the_ids_they_came_with(dtype: str) -> None:
    frame = data().assign(patient=lambda f: DTYPES[dtype](f["patient"]))
    fit = lmm("distress ~ session + (1 | patient)", frame)
    assert set(fit.random_effects()["level"]) == set(frame["patient"])
    pd.testing.assert_series_equal(fit.predict(frame), fit.predict(), rtol=1e-10)


CATEGORIES: dict[str, tuple[str, list[str]]] = {
    "never met": ("last", ["brief", "full", "waiting", "zzz"]),
    "never met, first": ("first", ["aaa", "brief", "full", "waiting"]),
}


@pytest.mark.parametrize("case", CATEGORIES)
def test_unused_categories_of_a_predictor_change_nothing(case: str) -> None:
    frame = data()
    unused = frame.assign(arm=pd.Categorical(frame["arm"], categories=CATEGORIES[case][1]))
    found, expected = lmm(NESTED, unused), lmm(NESTED, frame)
    assert found.term_names == expected.term_names
    assert_same(found, expected)


def test_unused_categories_of_a_random_slope_change_nothing() -> None:
    frame = data()
    unused = frame.assign(arm=pd.Categorical(frame["arm"], categories=["brief", "full", "waiting", "zzz"]))
    formula = "distress ~ arm + (0 + arm | therapist)"
    assert lmm(formula, unused).criterion == pytest.approx(lmm(formula, frame).criterion, abs=1e-7)


def test_reference_category_changes_coefficients_but_not_predictions() -> None:
    frame = data()
    other = frame.assign(arm=pd.Categorical(frame["arm"], categories=["waiting", "full", "brief"]))
    a, b = lmm(NESTED, frame), lmm(NESTED, other)
    pd.testing.assert_series_equal(a.fitted(), b.fitted(), rtol=1e-6)
    assert a.criterion == pytest.approx(b.criterion, abs=1e-7)
    assert b.fixed_effects["arm[T.brief]"] == pytest.approx(-a.fixed_effects["arm[T.waiting]"], rel=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_column_order_of_the_frame_does_not_matter(name: str, reference: dict[str, LmmFit]) -> None:
    frame = data()
    assert_same(lmm(FORMULAS[name], frame[sorted(frame.columns, reverse=True)]), reference[name])


@pytest.mark.parametrize("name", FORMULAS)
def test_order_of_the_terms_does_not_matter(name: str, reference: dict[str, LmmFit]) -> None:
    response, right = FORMULAS[name].split(" ~ ")
    left, *bars = right.split(" + (")
    turned = f"{response} ~ " + " + ".join([*(f"({bar}" for bar in bars[::-1]), *left.split(" + ")[::-1]])
    fit = lmm(turned, data())
    np.testing.assert_allclose(
        fit.fixed_effects[list(reference[name].term_names)], reference[name].fixed_effects, rtol=1e-6
    )
    assert fit.criterion == pytest.approx(reference[name].criterion, abs=1e-7)


LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "polars": pl.from_pandas,
    "pyarrow": lambda f: pa.Table.from_pandas(f, preserve_index=False),
    "pandas on arrow": lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
    "pandas nullable": lambda f: f.convert_dtypes(),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", FORMULAS)
def test_frame_library_does_not_matter(library: str, name: str) -> None:
    frame = data()
    frame.loc[[2, 9], "alliance"] = np.nan
    fit, expected = lmm(FORMULAS[name], LIBRARIES[library](frame)), lmm(FORMULAS[name], frame)
    assert fit.n_obs == len(frame) - 2
    assert_same(fit, expected)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_order_of_categories_is_the_same_in_every_frame_library(library: str) -> None:
    frame = data().assign(arm=lambda f: pd.Categorical(f["arm"], categories=["waiting", "full", "brief"]))
    other = LIBRARIES[library](frame)
    if library == "polars":  # only an Enum has an order there; a Categorical is text
        other = other.with_columns(pl.col("arm").cast(pl.Enum(["waiting", "full", "brief"])))
    assert lmm(NESTED, other).term_names == lmm(NESTED, frame).term_names


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("shift", [-1e6, 3.0, 1e6])
def test_adding_a_constant_to_the_outcome_moves_the_intercept(
    name: str, shift: float, reference: dict[str, LmmFit]
) -> None:
    fit, old = lmm(FORMULAS[name], data().assign(distress=lambda f: f["distress"] + shift)), reference[name]
    assert fit.fixed_effects["Intercept"] - shift == pytest.approx(old.fixed_effects["Intercept"], abs=1e-5)
    np.testing.assert_allclose(fit.fixed_effects[1:], old.fixed_effects[1:], rtol=1e-5)
    assert fit.criterion == pytest.approx(old.criterion, abs=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("factor", [-1e6, -1.0, 1e-6, 1e6])
def test_units_of_the_outcome_scale_everything(name: str, factor: float, reference: dict[str, LmmFit]) -> None:
    fit, old = lmm(FORMULAS[name], data().assign(distress=lambda f: f["distress"] * factor)), reference[name]
    np.testing.assert_allclose(fit.fixed_effects, old.fixed_effects * factor, rtol=1e-6)
    np.testing.assert_allclose(fit.theta, old.theta, rtol=1e-4, atol=1e-5)
    assert fit.sigma == pytest.approx(old.sigma * abs(factor), rel=1e-6)
    nu = old.n_obs - len(old.term_names)
    assert fit.criterion == pytest.approx(old.criterion + 2 * nu * np.log(abs(factor)), abs=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("origin", [0.0, 5.0])
def test_units_and_origin_of_a_predictor(name: str, unit: float, origin: float, reference: dict[str, LmmFit]) -> None:
    """A predictor with a correlated random slope, moved and stretched: the same model in other parameters."""
    old = reference[name]
    fit = lmm(FORMULAS[name], data().assign(session=lambda f: unit * (f["session"] + origin)))
    assert fit.fixed_effects["session"] * unit == pytest.approx(old.fixed_effects["session"], rel=1e-6)
    assert fit.tidy()["std_error"][1] * unit == pytest.approx(old.tidy()["std_error"][1], rel=1e-6)
    pd.testing.assert_series_equal(fit.fitted(), old.fitted(), rtol=1e-6)
    assert fit.criterion == pytest.approx(old.criterion + 2 * np.log(unit), abs=1e-6)
    assert (fit.converged, fit.singular) == (old.converged, old.singular)


def test_equal_weights_of_any_size_change_sigma_only() -> None:
    fit, old = lmm(NESTED, data(), weights=np.full(len(data()), 4.0)), lmm(NESTED, data())
    assert fit.sigma == pytest.approx(2 * old.sigma, rel=1e-6)
    np.testing.assert_allclose(fit.fixed_effects, old.fixed_effects, rtol=1e-6)
    assert fit.criterion == pytest.approx(old.criterion, abs=1e-6)


def test_a_row_of_weight_two_has_the_fixed_effects_of_two_rows_under_ml() -> None:
    """Given theta * sigma, doubling a row or its weight gives the same X'V^-1X; checked at a fixed theta."""
    frame = data()
    doubled = pd.concat([frame, frame.iloc[:10]], ignore_index=True)
    weights = np.where(np.arange(len(frame)) < 10, 2.0, 1.0)
    formula = "distress ~ session + alliance + (1 | patient)"
    a, b = lmm(formula, doubled, method="ML"), lmm(formula, frame, method="ML", weights=weights)
    # Of two equal rows the mean carries all: y'y and log|V| keep their form, only n in the scale of sigma differs.
    n, m = len(doubled), len(frame)
    for theta in ([0.5], [1.0], [2.0]):
        r_a = np.exp((a.deviance_at(np.array(theta)) - _log_determinant(a, theta)) / n - 1 - np.log(2 * np.pi / n))
        log_w = float(np.log(weights).sum())
        r_b = np.exp(
            (b.deviance_at(np.array(theta)) - _log_determinant(b, theta) + log_w) / m - 1 - np.log(2 * np.pi / m)
        )
        assert r_a == pytest.approx(r_b, rel=1e-9)


def _log_determinant(fit: LmmFit, theta: list[float]) -> float:
    """Return log|I + theta^2 Z'WZ|."""
    codes = fit.design.groupings[0].codes
    sums = np.bincount(codes, fit.design.weights)
    return float(np.log1p(theta[0] ** 2 * sums).sum())


def test_every_patient_twice_keeps_estimates_and_divides_variances_by_two_under_ml() -> None:
    frame = data()
    twin = frame.assign(patient=frame["patient"] + "b", therapist=frame["therapist"] + "b")
    once, twice = lmm(NESTED, frame, method="ML"), lmm(NESTED, pd.concat([frame, twin], ignore_index=True), method="ML")
    np.testing.assert_allclose(twice.fixed_effects, once.fixed_effects, rtol=1e-6)
    np.testing.assert_allclose(twice.theta, once.theta, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(twice.fixed_covariance, once.fixed_covariance / 2, rtol=1e-5, atol=1e-9)
    assert twice.criterion == pytest.approx(2 * once.criterion, rel=1e-9)


def test_notes_tell_how_the_factors_lie_to_each_other() -> None:
    nested = lmm("distress ~ alliance + (1 | patient) + (1 | therapist)", data())
    assert "Grouping factors are nested in these data: patient in therapist." in nested.notes
    switched = data().assign(therapist=lambda f: f["therapist"].where(f.index != 3, f["therapist"].iloc[-1]))
    crossed = lmm("distress ~ alliance + (1 | patient) + (1 | therapist)", switched)
    assert "Grouping factors cross in these data, in whole or in part: patient, therapist." in crossed.notes


def test_factors_with_the_same_levels_are_said_to_share_their_variance() -> None:
    twice = data().assign(again=lambda f: f["patient"])
    fit = lmm("distress ~ alliance + (1 | patient) + (1 | again)", twice)
    assert any("only the sum of their variances is known" in note for note in fit.notes)
