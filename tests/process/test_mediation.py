"""Indirect effects over sessions."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError, ModelError
from alliance_stats.process.indirect_effect import Product
from alliance_stats.process.mediation import Mediation, mediation
from alliance_stats.process.mediation_paths import weighted_fit
from alliance_stats.result import COLUMNS

_spec = importlib.util.spec_from_file_location("panel_studies", Path(__file__).with_name("panel_studies.py"))
assert _spec is not None
assert _spec.loader is not None
studies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(studies)

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCE: dict[str, Any] = json.loads((GOLDEN / "mediation.json").read_text())
ROLES = ("statements", "alliance", "outcome")
WITHIN: dict[str, Any] = {"design": "1-1-1", "lags": (1, 1), "slopes": ("a", "b")}
BETWEEN: dict[str, Any] = {"design": "2-1-1", "lags": (1,)}


def study(seed: int = 1, **options: Any) -> pd.DataFrame:
    frame: pd.DataFrame = studies.mediation_study(np.random.default_rng(seed), **options)
    return frame


def terms(result: Mediation, column: str = "estimate") -> dict[str, float]:
    return dict(result.tidy().set_index("term")[column])


@pytest.fixture(scope="module")
def golden_frame() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / "mediation.csv")


@pytest.fixture(scope="module")
def within(golden_frame: pd.DataFrame) -> Mediation:
    return mediation(golden_frame, "x", "m", "y", **WITHIN)


@pytest.fixture(scope="module")
def between(golden_frame: pd.DataFrame) -> Mediation:
    return mediation(golden_frame, "treated", "m", "y", **BETWEEN)


STACKED: dict[str, dict[str, Any]] = {
    "stacked": {"slopes": ("a", "b")},
    "fixed_slopes": {"slopes": ()},
    "all_slopes": {"slopes": ("a", "b", "c")},
    "previous": {"slopes": ("a", "b"), "previous": ("mediator", "outcome")},
}


@pytest.mark.parametrize("case", list(STACKED))
def test_the_stacked_model_is_that_of_nlme(case: str, golden_frame: pd.DataFrame) -> None:
    result, reference = mediation(golden_frame, "x", "m", "y", **{**WITHIN, **STACKED[case]}), REFERENCE[case]
    found, cov = terms(result), result.paths.covariance
    assert (result.n_chains, result.n_patients) == (reference["n_chains"], reference["n_patients"])
    # nlme searches until the likelihood no longer changes: variances agree to fewer digits than effects.
    for name in ("a", "b", "c_prime"):
        assert found[name] == pytest.approx(reference[name], rel=2e-4)
    assert found.get("cov_ab", 0.0) == pytest.approx(reference["cov_ab"], rel=4e-4)
    assert found["indirect"] == pytest.approx(reference["indirect"], rel=2e-4)
    errors = terms(result, "std_error")
    for name, variance in {"a": "var_a", "b": "var_b", "c_prime": "var_c"}.items():
        assert errors[name] ** 2 == pytest.approx(reference[variance], rel=2e-3)
    assert cov[0, 1] == pytest.approx(reference["cov_of_ab"], rel=2e-3, abs=1e-12)
    product = errors["indirect"] ** 2 - cov[-1, -1]
    assert product == pytest.approx(reference["var_of_product"] + 2 * found["b"] * cov[0, -1], rel=2e-3)


def test_the_covariance_of_slopes_and_its_error_are_those_of_the_likelihood_written_out(within: Mediation) -> None:
    reference = REFERENCE["stacked"]
    assert terms(within)["cov_ab"] == pytest.approx(reference["cov_ab_written_out"], rel=1e-5)
    assert terms(within, "std_error")["cov_ab"] ** 2 == pytest.approx(reference["var_cov_ab"], rel=1e-4)


def test_the_between_design_is_one_mixed_model_per_equation(between: Mediation) -> None:
    reference, found, errors = REFERENCE["between"], terms(between), terms(between, "std_error")
    assert between.n_chains == reference["n_chains"]
    for name, error in {"a": "se_a", "b": "se_b", "c_prime": "se_c", "b_within": "se_b_within"}.items():
        assert found[name] == pytest.approx(reference[name], rel=1e-5)
        assert errors[name] == pytest.approx(reference[error], rel=1e-5)
    assert found["indirect"] == found["a"] * found["b"]
    assert found["total"] == pytest.approx(found["indirect"] + found["c_prime"])
    assert between.tidy()["level"].tolist() == ["patient"] * 5 + ["session"]


def test_the_indirect_effect_is_ab_plus_the_covariance_of_slopes(within: Mediation) -> None:
    found = terms(within)
    assert found["indirect"] == pytest.approx(found["a"] * found["b"] + found["cov_ab"], rel=1e-12)
    assert found["total"] == pytest.approx(found["indirect"] + found["c_prime"], rel=1e-12)
    assert abs(found["cov_ab"]) > 0.1 * abs(found["indirect"])


def test_its_error_is_that_of_bauer_preacher_and_gil(within: Mediation) -> None:
    found, cov = terms(within), within.paths.covariance
    a, b = found["a"], found["b"]
    first = b**2 * cov[0, 0] + a**2 * cov[1, 1] + 2 * a * b * cov[0, 1]
    variance = first + cov[0, 0] * cov[1, 1] + cov[0, 1] ** 2 + cov[-1, -1]
    assert terms(within, "std_error")["indirect"] == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_the_interval_of_the_product_is_the_limit_of_draws() -> None:
    covariance = np.array([[0.04, 0.01, 0.002], [0.01, 0.09, -0.003], [0.002, -0.003, 0.01]])
    product = Product(np.array([0.3, 0.4, 0.1]), covariance)
    draws = product.draws(2_000_000, np.random.default_rng(1))
    assert product.value == pytest.approx(0.22)
    assert product.std_error == pytest.approx(draws.std(), rel=0.005)
    for share in (0.025, 0.5, 0.975):
        assert product.quantile(share) == pytest.approx(np.quantile(draws, share), abs=0.002)
        assert product.below(product.quantile(share)) == pytest.approx(share, abs=1e-9)


def test_a_product_with_a_certain_path_is_normal() -> None:
    product = Product(np.array([2.0, 0.5, 0.0]), np.diag([1e-16, 0.04, 0.0]))
    assert product.quantile(0.975) == pytest.approx(1.0 + 1.959963984540054 * 0.4, rel=1e-6)


def test_monte_carlo_intervals_are_near_the_exact_ones_and_repeat(within: Mediation) -> None:
    simulated = within.monte_carlo(50_000, seed=3)
    exact, drawn = within.tidy(), simulated.tidy()
    for end in ("conf_low", "conf_high"):
        np.testing.assert_allclose(drawn[end][:2], exact[end][:2], atol=0.02)
        assert not np.allclose(drawn[end][:2], exact[end][:2], rtol=1e-9)
    pd.testing.assert_frame_equal(drawn, within.monte_carlo(50_000, seed=3).tidy())
    np.testing.assert_allclose(drawn["estimate"], exact["estimate"])
    assert simulated.glance()["interval"].iloc[0] == "monte_carlo"
    assert "50000 draws" in simulated.notes[-1]


def test_the_bootstrap_of_patients_agrees_and_does_not_depend_on_workers(between: Mediation) -> None:
    drawn = between.bootstrap(150, seed=5, progress=False)
    errors, exact = terms(drawn, "std_error"), terms(between, "std_error")
    for name in ("indirect", "a", "b", "c_prime", "b_within"):
        assert 0.75 < errors[name] / exact[name] < 1.35
    assert terms(drawn) == terms(between)
    assert drawn.draws is not None
    through = drawn.draws[:, 0] * drawn.draws[:, 1]
    np.testing.assert_allclose(
        drawn.tidy().iloc[0][["conf_low", "conf_high"]].tolist(), np.quantile(through, [0.025, 0.975])
    )
    again = between.bootstrap(150, seed=5, n_jobs=2, progress=False)
    np.testing.assert_allclose(drawn.draws, again.draws)
    assert "150 samples of 150 patients" in drawn.notes[-1]


def test_resampling_everyone_once_gives_the_estimates_back(within: Mediation) -> None:
    weighted = weighted_fit(within.paths, within.data)
    cov = weighted.fixed_covariance
    unit = within.paths.unit
    assert weighted.fixed_effects["mx"] * unit["m"] / unit["x"] == pytest.approx(terms(within)["a"], rel=1e-5)
    assert np.sqrt(cov.loc["ym", "ym"]) * unit["y"] / unit["m"] == pytest.approx(
        terms(within, "std_error")["b"], rel=1e-4
    )


def test_known_effects_are_recovered() -> None:
    rows = [terms(mediation(study(seed, n_patients=60, n_sessions=7), *ROLES, **WITHIN)) for seed in range(20)]
    names = ["a", "b", "c_prime", "cov_ab"]
    draws = pd.DataFrame(rows)[[*names, "indirect"]]
    truth = {**studies.MEDIATED, "indirect": 0.4 * 0.5 + 0.06}
    bias = draws.mean() - pd.Series(truth)[draws.columns]
    assert (bias.abs() < 2.5 * draws.std() / np.sqrt(len(draws))).all()


def test_shuffled_sessions_leave_nothing() -> None:
    rng = np.random.default_rng(9)
    frame, hits = study(2, n_patients=60, n_sessions=7), 0
    for _ in range(12):
        order = np.argsort(np.repeat(np.arange(60), 7) + rng.random(420))
        shuffled = frame.assign(**{name: frame[name].to_numpy()[order] for name in ROLES})
        row = mediation(shuffled, *ROLES, design="1-1-1", lags=(1, 1), slopes=()).tidy().iloc[0]
        hits += not row["conf_low"] <= 0 <= row["conf_high"]
    assert hits <= 3
    there = mediation(frame, *ROLES, design="1-1-1", lags=(1, 1), slopes=()).tidy().iloc[0]
    assert there["conf_low"] > 0


def test_row_order_and_names_of_patients_change_nothing(golden_frame: pd.DataFrame, within: Mediation) -> None:
    frame = golden_frame.sample(frac=1, random_state=1).assign(
        patient=lambda f: "z" + (1000 - f["patient"]).astype(str)
    )
    other = mediation(frame, "x", "m", "y", **WITHIN)
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    np.testing.assert_allclose(other.tidy()[columns], within.tidy()[columns], rtol=2e-4)


def test_units_scale_the_paths(golden_frame: pd.DataFrame, between: Mediation) -> None:
    frame = golden_frame.assign(
        treated=lambda f: 3 * f["treated"], m=lambda f: f["m"] / 10 + 2, y=lambda f: 100 * f["y"]
    )
    other, before = (terms(r) for r in (mediation(frame, "treated", "m", "y", **BETWEEN), between))
    assert other["a"] == pytest.approx(before["a"] / 30, rel=1e-5)
    assert other["b"] == pytest.approx(before["b"] * 1000, rel=1e-5)
    assert other["indirect"] == pytest.approx(before["indirect"] * 100 / 3, rel=1e-5)


def test_slopes_choose_what_differs_between_patients(golden_frame: pd.DataFrame) -> None:
    fixed = mediation(golden_frame, "x", "m", "y", design="1-1-1", lags=(1, 1), slopes=())
    assert fixed.glance()["formula"].iloc[0].endswith("(0 + s_m + s_y | patient)")
    assert "cov_ab" not in terms(fixed)
    assert terms(fixed)["indirect"] == pytest.approx(terms(fixed)["a"] * terms(fixed)["b"])
    flat = mediation(golden_frame, "treated", "m", "y", **BETWEEN, slopes=())
    assert flat.glance()["formula"].iloc[0].endswith("(0 + s_m | patient) + (0 + s_y | patient)")


def test_lags_take_ratings_of_later_sessions_and_bridge_no_gap() -> None:
    frame = study(n_patients=30, n_sessions=8)
    result = mediation(frame, *ROLES, design="1-1-1", lags=(2, 1), slopes=())
    assert result.n_chains == 30 * 5
    gap = mediation(frame[frame["session"] != 4], *ROLES, design="1-1-1", lags=(2, 1), slopes=())
    # Of chains 1-3-4, 2-4-5, 3-5-6, 4-6-7, 5-7-8 two stay.
    assert gap.n_chains == 30 * 2
    assert any("150 of them begin a chain" in note for note in result.notes)


def test_covariates_enter_both_equations_and_take_their_share() -> None:
    frame = study(n_patients=60)
    trend = frame["session"] - 5.0
    drifting = frame.assign(**{name: frame[name] + 0.8 * trend for name in ROLES})
    plain = mediation(drifting, *ROLES, design="1-1-1", lags=(1, 1), slopes=())
    adjusted = mediation(drifting, *ROLES, design="1-1-1", lags=(1, 1), slopes=(), covariates=("session",))
    clean = mediation(frame, *ROLES, design="1-1-1", lags=(1, 1), slopes=(), covariates=("session",))
    assert terms(adjusted)["a"] == pytest.approx(terms(clean)["a"], abs=1e-6)
    assert terms(adjusted)["b"] == pytest.approx(terms(clean)["b"], abs=1e-6)
    assert terms(plain)["a"] > terms(adjusted)["a"] + 0.1
    assert "m_covariate0 + y_covariate0" in adjusted.glance()["formula"].iloc[0]


def test_the_table_keeps_to_the_vocabulary(within: Mediation) -> None:
    table = within.tidy()
    assert list(table.columns) == [name for name in COLUMNS if name in table]
    assert table["term"].tolist() == ["indirect", "total", "a", "b", "c_prime", "cov_ab"]
    assert table["kind"].tolist() == ["effect", "effect", "path", "path", "path", "covariance"]
    assert table["outcome"].tolist() == ["y", "y", "m", "y", "y", "y"]
    assert table["predictor"].tolist() == ["x", "x", "x", "m", "x", "x"]
    narrow = within.tidy(level=0.5)
    assert ((narrow["conf_high"] - narrow["conf_low"]) < 0.5 * (table["conf_high"] - table["conf_low"])).all()
    with pytest.raises(DataError, match=r"level = 95.*\nHint: use 0\.95"):
        within.tidy(level=95)


def two_raters(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(rater=np.where(np.arange(len(frame)) % 2, "patient", "therapist"))


CROSS = r"Cross-sectional mediation is refused: ratings of one session fit mediation.*\nHint: the mediator must follow"
BAD = [
    (lambda f: f, {"lags": (0, 1)}, ModelError, CROSS),
    (lambda f: f, {"lags": (1, 0)}, ModelError, CROSS),
    (lambda f: f, {"lags": (1,)}, ModelError, r"a 1-1-1 design has 2 lags.*\nHint: pass for example lags=\(1, 1\)"),
    (lambda f: f, {"lags": (1, 1.5)}, ModelError, r"in whole sessions.*\nHint: "),
    (
        lambda f: f,
        {"lags": (1, 1), "design": "2-1-1"},
        ModelError,
        r"a 2-1-1 design has 1 lag,.*\nHint: .*give the last alone",
    ),
    (lambda f: f, {"design": "2-2-1"}, ModelError, r"No design option '2-2-1'.*\nHint: "),
    (lambda f: f, {"slopes": ("d",)}, ModelError, r"No slope of a 1-1-1 design 'd'.*\nHint: "),
    (
        lambda f: f,
        {"lags": (9, 1)},
        DataError,
        r"session numbers run over 7 sessions, and 0 rows.*\nHint: use smaller lags",
    ),
    (lambda f: f[f["session"] == 1], {}, DataError, r"run over 1 session,.*\nHint: use smaller lags"),
    (two_raters, {}, DataError, r"Column 'rater' has 2 raters.*\nHint: keep the rows of one rater"),
    (
        lambda f: f.assign(alliance=4.0),
        {},
        DataError,
        r"'alliance' does not vary within patients.*\nHint: each patient",
    ),
    (
        lambda f: f,
        {"design": "2-1-1", "lags": (1,), "slopes": None},
        DataError,
        r"'statements' differs between sessions.*\nHint: ",
    ),
    (
        lambda f: f.assign(statements=1.0),
        {"design": "2-1-1", "lags": (1,), "slopes": None},
        DataError,
        r"'statements' is the same for all patients\.\nHint: compare",
    ),
    (lambda f: f.assign(outcome=np.inf), {}, DataError, r"'outcome' has 420 infinite values.*\nHint: mark"),
    (lambda f: f, {"covariates": ("patient",)}, DataError, r"'patient' groups the rows.*\nHint: leave it out"),
    (
        lambda f: f[f["patient"].isin(["p1", "p2", "p3"])],
        {},
        DataError,
        r"3 patients have two or more.*\nHint: use more patients",
    ),
    (lambda f: f.drop(columns="outcome"), {}, ColumnError, r"'outcome'.*\nHint: "),
]


@pytest.mark.parametrize(("change", "options", "error", "message"), BAD)
def test_what_cannot_be_answered_is_refused_with_the_way_out(
    change: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        mediation(change(study(n_patients=60, n_sessions=7)), *ROLES, **{**WITHIN, **options})
