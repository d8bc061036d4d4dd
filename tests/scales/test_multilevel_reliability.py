"""generalizability(), multilevel_reliability() and dependability(): against psych, lme4 and theory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.scales import facet_components
from alliance_stats.scales.cluster_icc import cluster_icc
from alliance_stats.scales.consistency import cronbach_alpha
from alliance_stats.scales.dependability import dependability
from alliance_stats.scales.facet_components import (
    closed_effects,
    draw_answers,
    estimate_components,
    orthonormal_contrasts,
)
from alliance_stats.scales.generalizability import Generalizability, generalizability
from alliance_stats.scales.multilevel_reliability import multilevel_reliability
from alliance_stats.scales.projection import needed_count, project
from tests.scales.reliability_golden import NINE, all_sessions, balanced_sessions, golden, shuffled

GOLDEN = golden("multilevel_reliability")
ITEMS = ["i1", "i2", "i3", "i4"]
THREE = ["i1", "i4", "i7"]
NESTED = {"session": "patient", "patient": "therapist"}


def components(study: Generalizability) -> dict[str, float]:
    return dict(study.tidy()[["term", "estimate"]].itertuples(index=False))


def matches(found: dict[str, float], expected: dict[str, float], names: dict[str, str]) -> None:
    assert set(found) == set(names)
    for ours, theirs in names.items():
        # lme4 stops at about 1e-7; a component at zero may be 1e-15 there.
        assert found[ours] == pytest.approx(expected[theirs], rel=2e-5, abs=1e-7), ours


CROSSED = {
    "patient": "patient",
    "session": "session",
    "item": "item",
    "patient:session": "patient:session",
    "patient:item": "patient:item",
    "session:item": "session:item",
    "residual": "Residual",
}


def test_components_of_crossed_facets_agree_with_lme4() -> None:
    matches(components(generalizability(balanced_sessions(), ITEMS)), GOLDEN["balanced"], CROSSED)


def test_components_of_balanced_data_agree_with_the_analysis_of_variance_of_psych() -> None:
    found = components(generalizability(balanced_sessions(), ITEMS))
    order = ["patient", "session", "item", "patient:session", "patient:item", "session:item", "residual"]
    np.testing.assert_allclose([found[name] for name in order], GOLDEN["psych"]["components"], rtol=1e-6)


def test_components_agree_with_lme4_when_sessions_differ_and_one_component_is_zero() -> None:
    frame = all_sessions().query("patient <= 80").drop(columns="therapist")
    found = components(generalizability(frame, THREE))
    assert found["session:item"] == 0
    matches(found, GOLDEN["unbalanced"], CROSSED)


def test_components_of_nested_therapists_agree_with_lme4() -> None:
    study = generalizability(all_sessions(), THREE, nested=NESTED)
    names = {
        "therapist": "therapist",
        "therapist:patient": "therapist:patient",
        "therapist:patient:session": "patient:session",
        "item": "item",
        "therapist:item": "therapist:item",
        "therapist:patient:item": "patient:item",
        "residual": "Residual",
    }
    matches(components(study), GOLDEN["nested_therapists"], names)


def coefficients(frame: pd.DataFrame, items: list[str] = ITEMS, **options: Any) -> pd.Series:
    return multilevel_reliability(frame, items, **options).tidy().set_index("term")["estimate"]


def test_coefficients_agree_with_psych() -> None:
    found = coefficients(balanced_sessions())
    for ours, theirs in {"RKF": "RkF", "R1R": "R1R", "RKR": "RkR", "RC": "Rc"}.items():
        assert found[ours] == pytest.approx(GOLDEN["psych"][theirs], abs=1e-6), ours
    assert found["R1F"] == pytest.approx(GOLDEN["R1F"], abs=1e-6)


def test_nested_coefficients_agree_with_psych() -> None:
    found = coefficients(balanced_sessions(), sessions="nested")
    assert found["RKRN"] == pytest.approx(GOLDEN["psych"]["RkRn"], abs=1e-6)
    assert found["RCN"] == pytest.approx(GOLDEN["psych"]["Rcn"], abs=1e-6)
    v = GOLDEN["nested3"]
    one = v["patient"] / (v["patient"] + v["patient:session"] + v["Residual"] / 4)
    assert found["R1RN"] == pytest.approx(one, abs=1e-6)


def test_intraclass_correlations_agree_with_analysis_of_variance() -> None:
    found = coefficients(all_sessions(), NINE)
    assert found["icc1"] == pytest.approx(GOLDEN["icc"]["icc1"], rel=1e-10)
    assert found["icc2"] == pytest.approx(GOLDEN["icc"]["icc2"], rel=1e-10)


def test_nested_sessions_of_balanced_data_give_icc2_of_patients_means() -> None:
    found = coefficients(balanced_sessions(), sessions="nested")
    assert found["RKRN"] == pytest.approx(found["icc2"], abs=1e-6)
    assert found["R1RN"] == pytest.approx(found["icc1"], abs=1e-6)


def test_intervals_of_intraclass_correlations_cover_at_their_level() -> None:
    rng = np.random.default_rng(4)
    truth, codes = {"icc1": 0.4, "icc2": 4 * 0.4 / (1 + 3 * 0.4)}, np.repeat(np.arange(20), 4)
    hits = dict.fromkeys(truth, 0)
    for _ in range(500):
        values = np.sqrt(0.4) * rng.normal(size=20)[codes] + np.sqrt(0.6) * rng.normal(size=80)
        for term, _, (low, high), _ in cluster_icc(values, codes).rows(0.9):
            hits[term] += low <= truth[term] <= high
    for count in hits.values():
        # Three standard errors of a share of .90 in 500 samples.
        assert count / 500 == pytest.approx(0.90, abs=3 * np.sqrt(0.09 / 500))


def test_interval_of_icc_stands_in_the_table() -> None:
    table = multilevel_reliability(balanced_sessions(), ITEMS).tidy(level=0.9).set_index("term")
    codes = balanced_sessions()["patient"].to_numpy()
    rows = cluster_icc(balanced_sessions()[ITEMS].mean(axis=1).to_numpy(), codes).rows(0.9)
    for term, _, ends, _ in rows:
        assert tuple(table.loc[term, ["conf_low", "conf_high"]]) == pytest.approx(ends)


def test_clusters_without_differences_within_have_no_interval() -> None:
    rows = cluster_icc(np.repeat([1.0, 2.0, 4.0], 2), np.repeat([0, 1, 2], 2)).rows(0.95)
    assert [row[1] for row in rows] == [1.0, 1.0]
    assert np.isnan([row[2] for row in rows]).all()


def test_number_of_sessions_may_be_given_and_raises_reliability_of_means() -> None:
    found = [coefficients(balanced_sessions(), n_sessions=n) for n in (1, 5, 20)]
    assert found[0]["RKF"] == pytest.approx(found[0]["R1F"])
    assert found[0]["RKR"] == pytest.approx(found[0]["R1R"])
    assert found[0]["RKR"] < found[1]["RKR"] < found[2]["RKR"]
    assert found[0]["RC"] == found[2]["RC"]


def test_therapist_coefficient_is_the_projection_of_the_nested_design() -> None:
    result = multilevel_reliability(all_sessions(), THREE, sessions="nested")
    found = result.tidy().set_index("term").loc["RT"]
    v = result.study.components
    t, p, s, e = (v[frozenset(names)] for names in _nested_names())
    k, m, patients = result.study.counts["session"], 3, 10
    assert found["estimate"] == pytest.approx(t / (t + p / patients + (s + e / m) / (patients * k)))
    assert found["n"] == 24
    assert any("10 patients per therapist" in note for note in result.notes)


def _nested_names() -> list[list[str]]:
    chain = ["therapist", "patient", "session", "item"]
    return [chain[:size] for size in range(1, 5)]


def test_differences_between_patients_hold_those_between_therapists() -> None:
    result = multilevel_reliability(all_sessions(), THREE)
    v = {":".join(sorted(effect)): value for effect, value in result.study.components.items()}
    between = v["therapist"] + v["patient:therapist"] + (v["item:therapist"] + v["item:patient:therapist"]) / 3
    error = v["item:patient:session:therapist"] / 3
    change = v["patient:session:therapist"]
    found = result.tidy().set_index("term")["estimate"]
    assert found["R1F"] == pytest.approx(between / (between + error))
    assert found["RC"] == pytest.approx(change / (change + error))
    drift = v["session"]
    k, patients = result.study.counts["session"], result.study.counts["patient"]
    own = v["therapist"] + v["item:therapist"] / 3
    caseload = v["patient:therapist"] + v["item:patient:therapist"] / 3
    noise = caseload / patients + (change + error) / (patients * k) + drift / k
    assert found["RT"] == pytest.approx(own / (own + noise))


def test_order_of_rows_and_ids_do_not_matter_even_to_the_bootstrap() -> None:
    frame = balanced_sessions()
    mixed = frame.sample(frac=1, random_state=1)
    options: dict[str, Any] = {"n_bootstrap": 3, "seed": 5, "progress": False}
    one, two = (multilevel_reliability(data, ITEMS, **options).tidy() for data in (frame, shuffled(mixed)))
    pd.testing.assert_frame_equal(one, two, rtol=1e-5)


@given(st.floats(0.1, 50.0), st.floats(-20.0, 20.0))
def test_units_do_not_matter(factor: float, shift: float) -> None:
    frame = balanced_sessions()
    moved = frame.assign(**{item: factor * frame[item] + shift for item in ITEMS})
    np.testing.assert_allclose(coefficients(moved), coefficients(frame), rtol=1e-5)


def test_parametric_bootstrap_centres_on_the_estimates() -> None:
    result = multilevel_reliability(balanced_sessions(), ITEMS, n_bootstrap=40, seed=3, progress=False)
    table = result.tidy(level=0.8).set_index("term")
    rows = table.loc[["R1F", "RKF", "RC"]]
    assert ((rows["conf_low"] < rows["estimate"]) & (rows["estimate"] < rows["conf_high"])).all()
    assert table.loc["RKF", ["conf_low", "conf_high"]].astype(float).tolist() == pytest.approx(
        np.quantile(result.draws[:, 1], [0.1, 0.9]).tolist()
    )
    assert result.glance()["n_bootstrap"].iloc[0] == 40
    assert "40 parametric bootstrap samples, seed 3" in result.notes[-1]


def test_progress_bar_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    multilevel_reliability(balanced_sessions(), ITEMS, n_bootstrap=1, seed=1)
    assert "bootstrap" in capsys.readouterr().err


def test_items_of_persons_without_sessions_give_alpha() -> None:
    frame = balanced_sessions().groupby("patient", as_index=False).mean()
    study = generalizability(frame, ITEMS, facets=())
    found = project(study.components, study.objects, counts={"item": 4})
    # Hoyt (1941): alpha is the relative coefficient of persons by items.
    assert found.relative == pytest.approx(cronbach_alpha(frame[ITEMS].cov().to_numpy()), abs=1e-6)


@pytest.mark.parametrize("items", [["i1", "i3"], ["i2", "i3", "i4"]])
def test_mean_and_contrasts_have_the_likelihood_of_all_answers(items: list[str]) -> None:
    codes = {name: balanced_sessions()[name].to_numpy() - 1 for name in ("patient", "session")}
    answers = balanced_sessions()[items].to_numpy(float)
    found = estimate_components(answers, codes, {}).variances
    joint = facet_components._joint(answers, codes, closed_effects(tuple(codes), {}))
    for effect, value in joint.items():
        assert found[effect] == pytest.approx(value, rel=1e-4, abs=2e-6), sorted(effect)


def test_contrasts_one_by_one_agree_in_balanced_data(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = components(generalizability(balanced_sessions(), ITEMS))
    monkeypatch.setattr(facet_components, "MAX_CONTRAST_EFFECTS", 0)
    study = generalizability(balanced_sessions(), ITEMS)
    found = components(study)
    for name in expected:
        # The variance of items uses the contrasts' means by the method of moments.
        assert found[name] == pytest.approx(expected[name], rel=0.15 if name in ("item", "session:item") else 1e-5)
    assert "means over contrasts of items" in study.notes[-1]


def test_negative_components_are_set_to_zero_and_counted_when_there_are_too_many_effects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = all_sessions().query("patient <= 80").drop(columns="therapist")
    exact = components(generalizability(frame, THREE))
    monkeypatch.setattr(facet_components, "MAX_JOINT_EFFECTS", 0)
    frame = frame.assign(i4=frame["i4"] - frame.groupby("session")["i4"].transform("mean"))
    frame = frame.assign(i1=frame["i1"] - 2 * frame.groupby("session")["i7"].transform("mean"))
    study = generalizability(frame, THREE)
    assert min(components(study).values()) == 0
    assert any("came out negative and were set to zero" in note for note in study.notes)
    assert components(study)["residual"] == pytest.approx(exact["residual"], rel=0.05)


def test_contrasts_are_orthonormal_and_sum_to_zero() -> None:
    contrasts = orthonormal_contrasts(5)
    np.testing.assert_allclose(contrasts.T @ contrasts, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(contrasts.sum(axis=0), 0, atol=1e-12)


def test_drawn_answers_have_their_components() -> None:
    rng = np.random.default_rng(2)
    codes = {"patient": np.repeat(np.arange(150), 12), "session": np.tile(np.arange(12), 150)}
    truth = {
        frozenset({"patient"}): 1.0,
        frozenset({"patient", "session"}): 0.5,
        frozenset({"patient", "item"}): 0.3,
        frozenset({"patient", "session", "item"}): 0.8,
    }
    found = estimate_components(draw_answers(truth, codes, 4, rng), codes, {}).variances
    for effect, value in truth.items():
        assert found[effect] == pytest.approx(value, rel=0.3)
    assert all(found[effect] < 0.02 for effect in found if effect not in truth)


def test_closed_effects_respect_nesting() -> None:
    found = {":".join(sorted(effect)) for effect in closed_effects(("therapist", "patient", "session"), NESTED)}
    assert found == {"therapist", "patient:therapist", "patient:session:therapist"}


def with_raters() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    frame = pd.MultiIndex.from_product([range(40), range(3), range(4)], names=["patient", "session", "rater"]).to_frame(
        index=False
    )
    noise = rng.normal(size=40)[frame["patient"]] + 0.6 * rng.normal(size=4)[frame["rater"]]
    noise += 0.5 * rng.normal(size=(40, 4))[frame["patient"], frame["rater"]]
    noise += 0.5 * rng.normal(size=(40, 3))[frame["patient"], frame["session"]]
    return frame.assign(empathy=noise + 0.7 * rng.normal(size=len(frame)))


def test_raters_are_a_facet_and_one_score_has_no_items() -> None:
    study = generalizability(with_raters(), ["empathy"], facets=("session", "rater"), nested={"session": "patient"})
    assert study.facets == ("session", "rater")
    assert list(components(study)) == ["patient", "rater", "patient:session", "patient:rater", "residual"]
    assert study.glance().iloc[0].tolist() == [480, 3, 4]
    assert components(study)["rater"] > 0.05


def test_shares_add_up_to_one() -> None:
    assert generalizability(balanced_sessions(), ITEMS).tidy()["share"].sum() == pytest.approx(1.0)


def test_projection_of_persons_by_items_and_occasions_follows_brennan() -> None:
    names = ["p", "i", "o", "pi", "po", "io", "pio"]
    values = dict(zip(names, [0.5, 0.1, 0.2, 0.3, 0.4, 0.05, 0.6], strict=True))
    parts = {frozenset(name): value for name, value in values.items()}
    found = project(parts, frozenset("p"), counts={"i": 4, "o": 2})
    relative = 0.3 / 4 + 0.4 / 2 + 0.6 / 8
    assert found.relative_error == pytest.approx(relative)
    assert found.absolute_error == pytest.approx(relative + 0.1 / 4 + 0.2 / 2 + 0.05 / 8)
    assert found.relative == pytest.approx(0.5 / (0.5 + relative))
    fixed = project(parts, frozenset("p"), counts={"i": 4, "o": 2}, fixed=["i"])
    assert fixed.universe == pytest.approx(0.5 + 0.3 / 4)
    assert fixed.relative_error == pytest.approx(0.4 / 2 + 0.6 / 8)
    assert fixed.absolute_error == pytest.approx(0.4 / 2 + 0.6 / 8 + 0.2 / 2 + 0.05 / 8)


PARTS = st.lists(st.floats(0.01, 2.0), min_size=7, max_size=7).map(
    lambda values: {
        frozenset(name): value for name, value in zip(["p", "i", "o", "pi", "po", "io", "pio"], values, strict=True)
    }
)


@given(PARTS, st.floats(0.05, 0.95), st.integers(1, 30), st.booleans(), st.booleans())
def test_needed_count_is_the_first_that_reaches_the_wish(
    parts: dict[frozenset[str], float], wished: float, items: int, absolute: bool, items_fixed: bool
) -> None:
    fixed = ["i"] if items_fixed else []
    counts = {"i": float(items), "o": 1.0}
    n = needed_count(parts, frozenset("p"), "o", counts=counts, fixed=fixed, wished=wished, absolute=absolute)

    def reliability(count: float) -> float:
        found = project(parts, frozenset("p"), counts={**counts, "o": count}, fixed=fixed)
        return found.absolute if absolute else found.relative

    if np.isinf(n):
        assert reliability(1e9) <= wished + 1e-6
    else:
        assert reliability(n) >= wished - 1e-9
        assert n == 1 or reliability(n - 1) < wished + 1e-9


@given(PARTS)
def test_reliability_rises_with_sessions_and_absolute_never_exceeds_relative(
    parts: dict[frozenset[str], float],
) -> None:
    found = [project(parts, frozenset("p"), counts={"i": 3, "o": n}) for n in range(1, 8)]
    assert np.all(np.diff([one.relative for one in found]) > 0)
    assert np.all(np.diff([one.absolute for one in found]) > 0)
    assert all(one.absolute <= one.relative for one in found)


def test_plan_repeats_the_coefficients_of_multilevel_reliability() -> None:
    result = multilevel_reliability(balanced_sessions(), ITEMS)
    v = result.study.components
    drift = v[frozenset({"session"})] / 5
    table = dependability(result, counts={"session": 5}, fixed=["item"]).tidy().set_index("kind")
    k = result.tidy().set_index("term").loc["RKR", "estimate"]
    universe = v[frozenset({"patient"})] + v[frozenset({"patient", "item"})] / 4
    expected = universe / (universe / k - drift)
    assert table.loc["relative", "estimate"] == pytest.approx(expected)


def test_plan_has_one_row_per_design_and_kind() -> None:
    study = generalizability(balanced_sessions(), ITEMS)
    plan = dependability(study, counts={"session": range(1, 5), "item": [2, 4, 8]})
    table = plan.tidy()
    assert len(table) == 2 * 4 * 3
    assert table.columns.tolist() == ["kind", "estimate", "n_session", "n_item", "error", "reached"]
    assert (table["reached"] == (table["estimate"] >= 0.8)).all()
    row = table.iloc[5]
    found = project(study.components, study.objects, counts={"session": row["n_session"], "item": row["n_item"]})
    assert [row["estimate"], row["error"]] == pytest.approx([found.relative, np.sqrt(found.relative_error)])
    assert plan.glance().iloc[0].tolist() == [0.8, 12, int(table.query("kind == 'relative'")["reached"].sum())]


def test_needed_numbers_reach_the_wish() -> None:
    study = generalizability(balanced_sessions(), ITEMS)
    needed = dependability(study, wished=0.7, counts={"item": 4}).needed().set_index(["term", "kind"])
    n = needed.loc[("session", "relative"), "estimate"]
    ahead, behind = (
        project(study.components, study.objects, counts={"session": count, "item": 4}).relative for count in (n, n - 1)
    )
    assert ahead >= 0.7 > behind


def test_therapists_can_be_the_objects() -> None:
    study = generalizability(
        all_sessions(), NINE, objects="therapist", facets=("patient", "session"), nested={**NESTED}
    )
    assert study.counts == {"patient": 10.0, "session": pytest.approx(857 / 240), "item": 9.0}
    plan = dependability(study, counts={"patient": [5, 40]}, fixed=["item"])
    low, high = plan.tidy().query("kind == 'relative'")["estimate"]
    v = {":".join(sorted(effect)): value for effect, value in study.components.items()}
    own = v["therapist"] + v["item:therapist"] / 9
    rest = v["patient:therapist"] + v["item:patient:therapist"] / 9
    rest += (v["patient:session:therapist"] + v["item:patient:session:therapist"] / 9) / (857 / 240)
    assert low == pytest.approx(own / (own + rest / 5))
    assert high == pytest.approx(own / (own + rest / 40))


def test_numbers_held_and_fixed_facets_are_said() -> None:
    plan = dependability(generalizability(balanced_sessions(), ITEMS), fixed=["item"])
    assert "fixed facets: item" in plan.notes[0]
    assert "Held at the mean number in the data: 4 items" in plan.notes[1]
    assert len(plan.tidy()) == 40


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"wished": 1.5}, r"wished = 1.5(.|\n)*0.8"),
        ({"counts": {"rater": 2}}, r"No facet 'rater'(.|\n)*session"),
        ({"counts": {"session": [0, 1]}}, r"counts of 'session' are 0, 1(.|\n)*from 1"),
        ({"fixed": ["item", "session"]}, r"All facets are fixed(.|\n)*leave one out"),
        ({"fixed": ["sessions"]}, r"No facet 'sessions'(.|\n)*did you mean 'session'"),
        ({"counts": {"session": range(1, 200), "item": range(1, 200)}}, r"39601 designs(.|\n)*10000"),
    ],
)
def test_plans_that_make_no_sense_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        dependability(generalizability(balanced_sessions(), ITEMS), **options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sessions": "fixed"}, r"No sessions='fixed'(.|\n)*nested"),
        ({"n_sessions": 0}, r"n_sessions = 0(.|\n)*at least 1"),
        ({"n_bootstrap": 10}, r"n_bootstrap = 10 with seed = None(.|\n)*a seed"),
        ({"n_bootstrap": -2, "seed": 1}, r"n_bootstrap = -2(.|\n)*positive"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        multilevel_reliability(balanced_sessions(), ITEMS, **options)


def test_level_outside_0_to_1_is_refused() -> None:
    with pytest.raises(DataError, match=r"not between 0 and 1(.|\n)*0.95"):
        multilevel_reliability(balanced_sessions(), ITEMS).tidy(level=95)


@pytest.mark.parametrize("sessions", ["crossed", "nested"])
def test_one_session_per_patient_is_refused(sessions: Any) -> None:
    frame = balanced_sessions().query("session == 1 or (session == 2 and patient == 0)")
    with pytest.raises(DataError, match=r"has one (row|level)(.|\n)*(several levels|leave it out)"):
        multilevel_reliability(frame, ITEMS, sessions=sessions)


def test_one_rater_is_refused() -> None:
    with pytest.raises(DataError, match=r"'rater' has one level in the 120 rows(.|\n)*leave it out"):
        generalizability(with_raters().query("rater == 1"), ["empathy"], facets=("session", "rater"))


def test_repeated_rows_are_refused_without_showing_ids() -> None:
    frame = pd.concat([balanced_sessions(), balanced_sessions().head(1)])
    with pytest.raises(DataError, match=r"1 row repeats the patient, session(.|\n)*rater"):
        generalizability(frame, ITEMS)


def test_missing_answers_and_levels_are_left_out_and_counted() -> None:
    frame = balanced_sessions().astype(float)
    frame.loc[3, "i2"] = np.nan
    frame.loc[9, "session"] = np.nan
    study = generalizability(frame, ITEMS)
    assert study.notes[0] == "148 rows with answers to all 4 items and all levels; 2 other rows are left out."
    assert components(study) == pytest.approx(components(generalizability(frame.drop(index=[3, 9]), ITEMS)))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (dict.fromkeys(ITEMS, 3.0), r"All answers are the same(.|\n)*check the columns"),
        ({"i1": np.nan}, r"0 of 150 rows(.|\n)*not asked of everyone"),
        ({"i1": np.inf}, r"150 answers are infinite(.|\n)*correct them"),
    ],
)
def test_answers_that_cannot_be_analysed_are_refused(change: dict[str, float], match: str) -> None:
    with pytest.raises(DataError, match=match):
        generalizability(balanced_sessions().assign(**change), ITEMS)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"facets": ("session", "session")}, r"session, session(.|\n)*each column once"),
        ({"facets": ("patient",)}, r"patient, patient(.|\n)*each column once"),
        ({"nested": {"session": "patient", "patient": "session"}}, r"in a circle(.|\n)*outer facet"),
    ],
)
def test_designs_that_make_no_sense_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        generalizability(balanced_sessions(), ITEMS, **options)


def test_missing_columns_are_named() -> None:
    with pytest.raises(ColumnError, match=r"'session'(.|\n)*Hint"):
        multilevel_reliability(balanced_sessions().drop(columns="session"), ITEMS)
    with pytest.raises(ColumnError, match=r"'rater'(.|\n)*Hint"):
        generalizability(balanced_sessions(), ITEMS, facets=("rater",))


def test_one_item_is_refused_by_multilevel_reliability() -> None:
    with pytest.raises(DataError, match=r"1 item(.|\n)*generalizability"):
        multilevel_reliability(balanced_sessions(), ["i1"])
