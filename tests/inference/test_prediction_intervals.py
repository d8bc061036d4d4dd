"""Intervals of predictions: against Henderson's equations, theory and simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_stats import lmm
from alliance_stats.errors import AllianceStatsError, ColumnError, ModelError
from alliance_stats.inference import prediction_intervals
from alliance_stats.inference.linear import linear_inference
from alliance_stats.inference.prediction_intervals import predict_interval
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"
SECRET = "ZZ-secret-"
CASES: dict[str, tuple[str, str, str | None]] = {
    "nested": ("alliance_sessions", "distress ~ session + arm + (1 + session | patient) + (1 | therapist)", None),
    "weighted": ("alliance_sessions", "distress ~ session + (1 | patient)", "weight"),
    "crossed": ("alliance_raters", "rating ~ occasion + (1 + occasion | patient) + (1 | rater)", None),
    "singular": ("Dyestuff2", "Yield ~ 1 + (1 | Batch)", None),
}


def case(name: str) -> tuple[LmmFit, pd.DataFrame]:
    source, formula, weights = CASES[name]
    frame = pd.read_csv(DATA / f"{source}.csv")
    return lmm(formula, frame, weights=weights), frame


def henderson(fit: LmmFit) -> tuple[np.ndarray, np.ndarray]:
    """Return [X, Z Lambda] and the covariance of the errors of (beta, u) from the mixed-model equations."""
    n = fit.n_obs
    x = np.column_stack([np.ones(n) if c is None else c for c in (fit.design.x.columns[j] for j in fit.scaling.x_kept)])
    blocks = [x]
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        z = np.column_stack([np.ones(n) if c is None else c for c in term.columns]) @ factor
        codes, levels = term.grouping.codes, len(term.grouping.labels)
        for column in z.T:
            block = np.zeros((n, levels))
            block[np.arange(n), codes] = column
            blocks.append(block)
    whole = np.column_stack(blocks)
    weights = np.ones(n) if fit.design.weights is None else fit.design.weights
    left = whole.T @ (weights[:, None] * whole)
    left[np.arange(x.shape[1], left.shape[0]), np.arange(x.shape[1], left.shape[0])] += 1.0
    return whole, fit.sigma**2 * np.linalg.inv(left)


@pytest.mark.parametrize("name", CASES)
def test_errors_of_predicted_levels_are_hendersons(name: str) -> None:
    fit, frame = case(name)
    whole, covariance = henderson(fit)
    expected = np.sqrt(np.einsum("rp,pq,rq->r", whole, covariance, whole))
    for new in (None, frame):
        found = predict_interval(fit, new, random=True)
        np.testing.assert_allclose(found["std_error"], expected, rtol=1e-6)
        np.testing.assert_allclose(found["estimate"], fit.fitted(), rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_the_fixed_part_has_the_errors_of_its_combination(name: str) -> None:
    fit, frame = case(name)
    x = henderson(fit)[0][:, : len(fit.term_names)]
    expected = linear_inference(fit, x[:20])
    found = predict_interval(fit, frame.head(20))
    np.testing.assert_allclose(found["std_error"], expected.std_error)
    np.testing.assert_allclose(found["df"], expected.df)
    np.testing.assert_allclose(found["estimate"], expected.estimate)


def test_a_prediction_for_new_levels_adds_all_variances() -> None:
    fit, frame = case("nested")
    confidence = predict_interval(fit, frame.head(5))["std_error"]
    prediction = predict_interval(fit, frame.head(5), kind="prediction")["std_error"]
    session = frame["session"].head(5)
    parts = fit.variance_components().set_index(["group", "term", "term2"])["estimate"]
    random = parts["patient", "Intercept", ""] + parts["therapist", "Intercept", ""]
    random = (
        random + 2 * session * parts["patient", "Intercept", "session"] + session**2 * parts["patient", "session", ""]
    )
    np.testing.assert_allclose(prediction**2, confidence**2 + random + fit.sigma**2, rtol=1e-9)


def test_a_prediction_for_known_levels_adds_the_residual_variance() -> None:
    fit, frame = case("nested")
    confidence = predict_interval(fit, frame, random=True)["std_error"]
    prediction = predict_interval(fit, frame, kind="prediction", random=True)["std_error"]
    np.testing.assert_allclose(prediction**2, confidence**2 + fit.sigma**2, rtol=1e-9)


def test_levels_nobody_has_seen_have_the_variance_of_new_ones() -> None:
    fit, frame = case("nested")
    new = frame.head(4).assign(patient="nobody", therapist="nobody")
    known = predict_interval(fit, new, random=True, kind="prediction")
    fixed = predict_interval(fit, new, kind="prediction")
    pd.testing.assert_frame_equal(known, fixed)


def test_a_new_patient_of_a_known_therapist_lies_between() -> None:
    fit, frame = case("nested")
    rows = frame.head(3)
    widths = [
        predict_interval(fit, new, random=True)["std_error"].to_numpy()
        for new in (rows, rows.assign(patient="nobody"), rows.assign(patient="nobody", therapist="nobody"))
    ]
    assert (widths[0] < widths[1]).all()
    assert (widths[1] < widths[2]).all()


def test_new_rows_without_ids_can_be_predicted_for_new_levels() -> None:
    fit, frame = case("nested")
    rows = frame.head(3)
    without = rows.drop(columns=["patient", "therapist", "distress"])
    expected = predict_interval(fit, rows, kind="prediction")
    pd.testing.assert_frame_equal(predict_interval(fit, without, kind="prediction"), expected)
    with pytest.raises(ColumnError, match=r"'patient', 'therapist'(.|\n)*new data need the columns"):
        predict_interval(fit, without, random=True)


def test_prediction_intervals_cover_new_observations() -> None:
    rng = np.random.default_rng(12)
    patient = np.repeat(np.arange(60), 6)
    session = np.tile(np.arange(6.0), 60)
    hits = []
    for _ in range(20):
        truth = 20 - session + 3 * rng.normal(size=60)[patient]
        frame = pd.DataFrame({"patient": patient, "session": session, "y": truth + 2 * rng.normal(size=360)})
        fit = lmm("y ~ session + (1 | patient)", frame)
        known = predict_interval(fit, frame, kind="prediction", random=True, level=0.9)
        again = truth + 2 * rng.normal(size=360)
        hits.append(((again > known["conf_low"]) & (again < known["conf_high"])).mean())
        inside = predict_interval(fit, frame, random=True, level=0.9)
        hits.append(((truth > inside["conf_low"]) & (truth < inside["conf_high"])).mean())
    # 20 studies of 60 patients know a coverage to less than two points.
    assert np.mean(hits[::2]) == pytest.approx(0.9, abs=0.02)
    assert np.mean(hits[1::2]) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger", "normal"])
def test_limits_follow_from_level_and_df(level: float, df: Any) -> None:
    fit, frame = case("nested")
    table = predict_interval(fit, frame.head(3), level=level, df=df)
    half = stats.t.ppf(0.5 + level / 2, table["df"]) * table["std_error"]
    np.testing.assert_allclose(table["conf_high"] - table["estimate"], half)
    np.testing.assert_allclose(table["estimate"] - table["conf_low"], half)
    assert (table["conf_level"] == level).all()
    assert np.isinf(table["df"]).all() == (df == "normal")


def test_rows_are_handled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, _ = case("nested")
    whole = predict_interval(fit)
    monkeypatch.setattr(prediction_intervals, "CHUNK_ROWS", 7)
    pd.testing.assert_frame_equal(predict_interval(fit), whole)


def test_rows_with_a_missing_predictor_are_missing_and_the_index_stays() -> None:
    fit, frame = case("nested")
    rows = frame.head(4).set_index(pd.Index(["a", "b", "c", "d"]))
    rows.loc["b", "session"] = np.nan
    for random in (False, True):
        table = predict_interval(fit, rows, random=random)
        assert table.index.tolist() == ["a", "b", "c", "d"]
        assert table["estimate"].isna().tolist() == [False, True, False, False]


def test_row_order_does_not_matter() -> None:
    fit, frame = case("nested")
    shuffled = frame.sample(frac=1, random_state=1)
    expected = predict_interval(fit, frame, random=True)
    pd.testing.assert_frame_equal(predict_interval(fit, shuffled, random=True).sort_index(), expected)


def test_bad_arguments_are_named() -> None:
    fit, frame = case("nested")
    with pytest.raises(ModelError, match=r"'predict'(.|\n)*Hint"):
        predict_interval(fit, kind="predict")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"between 0 and 1(.|\n)*Hint"):
        predict_interval(fit, level=1.5)
    with pytest.raises(ModelError, match=r"DataFrame(.|\n)*Hint: pass the result of lmm"):
        predict_interval(frame)  # type: ignore[arg-type]
    with pytest.raises(AllianceStatsError) as error:
        predict_interval(fit, frame.assign(patient=SECRET).drop(columns="session"), random=True)
    assert SECRET not in str(error.value)


def test_a_new_observation_needs_a_residual_variance() -> None:
    from alliance_stats import ar1

    frame = pd.read_csv(DATA / "alliance_sessions.csv")
    fit = lmm("distress ~ session + (1 | patient)", frame, residual=ar1("session", by="patient"))
    with pytest.raises(ModelError, match=r"residual structure(.|\n)*Hint: use kind=\"confidence\""):
        predict_interval(fit, kind="prediction")
    expected = fit.fitted()
    np.testing.assert_allclose(predict_interval(fit, random=True)["estimate"], expected)
