"""Reliable and clinically significant change against R, published data and definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError, ModelError
from alliance_stats.result import COLUMNS
from alliance_stats.scales.change_index import METHODS, MeasurementError
from alliance_stats.scales.change_slopes import multilevel_change
from alliance_stats.scales.change_threshold import threshold_change
from alliance_stats.scales.clinical_significance import FIVE_CLASSES, clinical_significance
from alliance_stats.scales.cutoffs import Cutoff, Norm, clinical_cutoff
from alliance_stats.scales.reliable_change import ReliableChange, reliable_change

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN: dict[str, Any] = json.loads((FOLDER / "change.json").read_text())

# Jacobson & Truax (1991) JCCP 59(1):12-19, Table 2 (doi 10.1037/0022-006X.59.1.12): Dyadic Adjustment Scale of 30 couples
# before and after behavioural marital therapy, as in R package clinicalsignificance 3.0.0, data jacobson_1989.
DAS_PRE = [
    *(90.5, 74, 97, 73.5, 61, 66.5, 68.5, 86.5, 88.5, 68.5, 98, 80.5, 89.5, 91.5, 83.5),
    *(60.5, 83, 88, 98.5, 78.5, 99.5, 79.5, 84.5, 92.5, 93, 85, 64, 61, 80, 82.5),
]
DAS_POST = [
    *(97, 124, 97.5, 88, 96.5, 62.5, 112.5, 103.5, 90, 82.5, 105, 99.5, 112.5, 101, 99.5),
    *(79.5, 88, 100.5, 119, 116, 116, 129, 113, 118, 92, 114, 68, 52, 60.5, 104.5),
]


def gds() -> pd.DataFrame:
    return pd.DataFrame({"pre": GOLDEN["pre"], "post": GOLDEN["post"]})


def das() -> pd.DataFrame:
    return pd.DataFrame({"pre": DAS_PRE, "post": DAS_POST})


def error(**more: Any) -> MeasurementError:
    known: dict[str, Any] = {"reliability": 0.8, "kind": "retest", "sd": "sample", "mean": "sample"}
    return MeasurementError(**{**known, **more})


def judged(frame: pd.DataFrame, method: str = "jacobson_truax", **more: Any) -> ReliableChange:
    given: dict[str, Any] = {"direction": "higher_is_worse", "error": error(reliability_post=0.8)}
    return reliable_change(frame, ("pre", "post"), method=method, **{**given, **more})  # type: ignore[arg-type]


def counts(table: pd.DataFrame) -> list[int]:
    return [int(count) for count in table["n_people"]]


@pytest.mark.parametrize("method", METHODS)
def test_index_agrees_with_r(method: str) -> None:
    result = judged(gds(), method, error=error(reliability_post=0.7))
    np.testing.assert_allclose(result.frame["change_index"], GOLDEN[method], rtol=GOLDEN["rtol"])


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("jacobson_truax", [10, 4, 12, 0, 0]),
        ("gulliksen_lord_novick", [12, 4, 10, 0, 0]),
        ("hsu_linn_lord", [7, 0, 11, 8, 0]),
        ("edwards_nunnally", [12, 5, 9, 0, 0]),
        ("nunnally_kotsch", [12, 4, 10, 0, 0]),
        ("hageman_arrindell", [7, 10, 9, 0, 0]),
    ],
)
def test_classes_agree_with_documented_results(method: str, expected: list[int]) -> None:
    # R package clinicalsignificance, tests/testthat/_snaps/clinical_significance.md (CRAN mirror, commit 7c5849b): GDS of
    # jacobson_1989, reliability .80 (post .80), cut-off a; recovered, improved, unchanged, deteriorated, harmed.
    frame = gds()
    norm = Norm(mean=frame["pre"].mean(), sd=frame["pre"].std())
    cutoff = clinical_cutoff("a", direction="higher_is_worse", dysfunctional=norm)
    result = clinical_significance(judged(frame, method), cutoff)
    assert result.tidy()["category"].tolist() == list(FIVE_CLASSES)
    assert counts(result.tidy()) == expected


@pytest.mark.parametrize("cutoff", [52.0, 54.0, 56.0, 58.0, 60.0, 62.0])
def test_functional_by_hageman_and_arrindell_by_hand(cutoff: float) -> None:
    # Hageman & Arrindell (1999), as tested in R package clinicalsignificance: (M2 + (x2 - M2) r2 - cut-off) over
    # sqrt(r2) SE, beyond 1.645 in the better direction.
    frame = gds()
    change = judged(frame, "hageman_arrindell")
    given = clinical_cutoff("given", direction="higher_is_worse", value=cutoff)
    found = clinical_significance(change, given).frame["clinical_class"] == "recovered"
    post, sem = frame["post"], frame["pre"].std() * np.sqrt(0.2)
    reliability = (post.var() - sem**2) / post.var()
    distance = (post.mean() + (post - post.mean()) * reliability - cutoff) / (np.sqrt(reliability) * sem)
    expected = (distance < -1.6448536) & (change.frame["change_class"] == "improved")
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(("reliability", "improved", "functional"), [(0.80, 16, 15), (0.88, 19, 16), (0.96, 21, 18)])
def test_jacobson_and_truax_table_two(reliability: float, improved: int, functional: int) -> None:
    frame = das()
    # Check values of the table: M 81.583 (SD 11.826) before, 98.050 (19.242) after, r .5177.
    assert frame["pre"].mean() == pytest.approx(81.583, abs=5e-4)
    assert frame["pre"].std() == pytest.approx(11.826, abs=5e-4)
    assert frame["post"].std() == pytest.approx(19.242, abs=5e-4)
    assert np.corrcoef(frame["pre"], frame["post"])[0, 1] == pytest.approx(0.5177, abs=5e-5)
    change = judged(frame, direction="higher_is_better", error=error(reliability=reliability))
    assert counts(change.tidy())[0] == improved
    # By hand: S_diff = sqrt(2) 11.826 sqrt(1 - r); 1.96 S_diff = 14.66, 11.36 and 6.56 points for .80, .88 and .96.
    by_hand = 1.96 * np.sqrt(2) * 11.826 * np.sqrt(1 - reliability)
    assert change.glance()["least_change"].iloc[0] == pytest.approx(by_hand, abs=2e-3)
    assert int((frame["post"] - frame["pre"] > by_hand).sum()) == improved
    cutoff = clinical_cutoff("given", direction="higher_is_better", value=94.84)
    assert counts(clinical_significance(change, cutoff, start="any").tidy())[0] == functional
    by_hand_recovered = (frame["post"] - frame["pre"] > by_hand) & (frame["post"] > 94.84) & (frame["pre"] < 94.84)
    assert counts(clinical_significance(change, cutoff).tidy())[0] == int(by_hand_recovered.sum())


def test_cutoff_c_of_the_couples() -> None:
    frame = das()
    patients = Norm(mean=frame["pre"].mean(), sd=frame["pre"].std())
    # By hand: (17.8 x 81.583 + 11.826 x 114.8) / (17.8 + 11.826) = 94.84.
    norm = Norm(mean=114.8, sd=17.8)
    cutoff = clinical_cutoff("c", direction="higher_is_better", dysfunctional=patients, functional=norm)
    assert cutoff.value == pytest.approx(94.84, abs=0.005)


@pytest.mark.parametrize(
    ("kind", "direction", "value"),
    [
        ("a", "higher_is_better", 60.0),
        ("a", "higher_is_worse", 20.0),
        ("b", "higher_is_better", 64.0),
        ("b", "higher_is_worse", 76.0),
    ],
)
def test_cutoffs_a_and_b_lie_two_deviations_from_their_mean(kind: Any, direction: Any, value: float) -> None:
    patients, others = Norm(mean=40, sd=10), Norm(mean=70, sd=3)
    assert clinical_cutoff(kind, direction=direction, dysfunctional=patients, functional=others).value == value


def test_cutoff_c_is_equally_many_deviations_from_both_means() -> None:
    patients, others = Norm(mean=20, sd=8), Norm(mean=5, sd=4)
    value = clinical_cutoff("c", direction="higher_is_worse", dysfunctional=patients, functional=others).value
    assert (20 - value) / 8 == pytest.approx((value - 5) / 4)


@pytest.mark.parametrize("method", METHODS)
def test_turning_the_scale_around_turns_nothing_else(method: str) -> None:
    frame = gds()
    turned = 100 - frame
    first = judged(frame, method)
    second = judged(turned, method, direction="higher_is_better")
    assert first.classes.tolist() == second.classes.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_units_do_not_matter(method: str) -> None:
    np.testing.assert_allclose(
        judged(gds() * 10 + 5, method).frame["change_index"], judged(gds(), method).frame["change_index"], rtol=1e-9
    )


@pytest.mark.parametrize("method", METHODS)
def test_bands_are_where_the_index_meets_its_critical_value(method: str) -> None:
    result = judged(gds(), method)
    assert result.index is not None
    ends = result.bands["pre"].to_numpy()
    for column, value in (("post_low", -1), ("post_high", 1)):
        index = result.index.values(ends, result.bands[column].to_numpy())
        np.testing.assert_allclose(index, value * result.index.critical)


def test_level_changes_the_critical_value() -> None:
    assert judged(gds(), level=0.90).glance()["critical"].iloc[0] == pytest.approx(1.6448536)
    assert judged(gds(), "hageman_arrindell", level=0.90).glance()["critical"].iloc[0] == pytest.approx(1.2815516)


def test_sd_and_mean_of_a_norm_are_used() -> None:
    result = judged(gds(), "edwards_nunnally", error=error(sd=5.0, mean=60.0))
    expected = (62.5 - (0.8 * (68 - 60) + 60)) / (5 * np.sqrt(0.2))
    assert result.frame["change_index"].iloc[0] == pytest.approx(expected)
    assert "regress to a mean of 60 points (given)" in " ".join(result.notes)


def test_rows_keep_their_order_and_missing_scores_stay_unclassified() -> None:
    frame = gds().assign(name=[f"p{i}" for i in range(26)]).sample(frac=1, random_state=1)
    frame.iloc[3, 1] = np.nan
    result = judged(frame)
    pd.testing.assert_frame_equal(result.frame[["pre", "post", "name"]], frame)
    assert pd.isna(result.frame["change_class"].iloc[3])
    assert result.glance()[["n", "n_missing"]].iloc[0].tolist() == [25, 1]
    assert any("1 of 26 people lack a score" in note for note in result.notes)


def test_shares_have_wilson_intervals() -> None:
    table = judged(gds(), "hsu_linn_lord").tidy().set_index("category")
    assert table.loc["improved", "estimate"] == pytest.approx(7 / 26)
    interval = table.loc["improved", ["conf_low", "conf_high"]].astype(float)
    np.testing.assert_allclose(interval, GOLDEN["wilson_7_of_26"], rtol=1e-8)
    assert (table["conf_level"] == 0.95).all()


def test_groups_are_counted_on_their_own() -> None:
    frame = gds().assign(arm=["a"] * 20 + ["b"] * 6)
    result = judged(frame, by="arm")
    table = result.tidy()
    parts = table[table["group"] == "arm"].groupby("category")["n_people"].sum()
    whole = table[table["group"] == ""].set_index("category")["n_people"]
    assert parts.to_dict() == whole.to_dict()
    assert table[table["level"] == "b"]["n"].tolist() == [6] * 3
    assert any("1 of 3 groups have fewer than 20 people" in note for note in result.notes)
    assert any("cells count fewer than 5 people" in note for note in result.notes)


def test_notes_say_where_the_reliability_comes_from() -> None:
    result = judged(gds(), error=error(kind="internal_consistency", source="manual, p. 3"))
    assert "Reliability 0.8 (internal consistency) (manual, p. 3)" in result.notes[1]


def five(before: float, after: float, **more: Any) -> str:
    frame = pd.DataFrame({"pre": [before, 50.0], "post": [after, 50.0]})
    change = judged(frame, direction="higher_is_better", error=error(sd=5.0))
    cutoff = clinical_cutoff("given", direction="higher_is_better", value=60)
    return str(clinical_significance(change, cutoff, **more).frame["clinical_class"].iloc[0])


@pytest.mark.parametrize(
    ("before", "after", "label"),
    [
        (50, 70, "recovered"),
        (40, 55, "improved"),
        (65, 80, "improved"),
        (50, 60, "improved"),
        (55, 61, "unchanged"),
        (55, 40, "deteriorated"),
        (80, 65, "deteriorated"),
        (70, 50, "harmed"),
    ],
)
def test_the_five_classes(before: float, after: float, label: str) -> None:
    # sd 5, reliability .80: reliable beyond 1.96 sqrt(2) 5 sqrt(.2) = 6.2 points; cut-off 60.
    assert five(before, after) == label


def test_without_a_condition_on_the_start_the_last_score_decides() -> None:
    assert five(65, 80, start="any") == "recovered"
    assert five(55, 40, start="any") == "harmed"


def test_several_norm_sets_are_reported_side_by_side() -> None:
    cutoffs: dict[str, Cutoff] = {
        name: clinical_cutoff("given", direction="higher_is_worse", value=value, source=f"{name} manual")
        for name, value in (("US", 63.5), ("NL", 56.0))
    }
    result = clinical_significance(judged(gds()), cutoffs)
    assert result.glance().set_index("model")["cutoff"].to_dict() == {"US": 63.5, "NL": 56.0}
    assert {"clinical_class_US", "clinical_class_NL"} <= set(result.frame.columns)
    assert result.tidy().groupby("model", sort=False)["n_people"].sum().to_dict() == {"US": 26, "NL": 26}
    assert any("US: cut-off given at 63.5 points (US manual)" in note for note in result.notes)
    glance = result.glance().set_index("model").loc["US"]
    assert glance["n_functional_before"] == (gds()["pre"] < 63.5).sum()
    assert glance["n_functional_after"] == (gds()["post"] < 63.5).sum()


def test_groups_of_five_classes() -> None:
    change = judged(gds().assign(arm=["a", "b"] * 13))
    cutoff = clinical_cutoff("given", direction="higher_is_worse", value=60)
    table = clinical_significance(change, cutoff, by="arm").tidy()
    assert table.query("group == 'arm'").groupby("level")["n_people"].sum().to_dict() == {"a": 13, "b": 13}


@pytest.mark.parametrize(
    ("unit", "improvement", "deterioration", "expected"),
    [
        ("percent", 50.0, None, ["improved", "unchanged", "deteriorated", None]),
        ("percent", 51.0, 60.0, ["unchanged", "unchanged", "unchanged", None]),
        ("points", 10.0, 5.0, ["improved", "unchanged", "deteriorated", "deteriorated"]),
        ("points", 5.0, 6.0, ["improved", "improved", "unchanged", "deteriorated"]),
    ],
)
def test_thresholds(unit: Any, improvement: float, deterioration: float | None, expected: list[str | None]) -> None:
    frame = pd.DataFrame({"pre": [20, 16, 10, 0], "post": [10, 10, 15, 7]})
    result = threshold_change(
        frame,
        ("pre", "post"),
        direction="higher_is_worse",
        unit=unit,
        improvement=improvement,
        deterioration=deterioration,
    )
    assert result.classes.tolist() == expected
    ends = result.bands.iloc[-1]
    scale = ends["pre"] / 100 if unit == "percent" else 1
    assert ends["pre"] - ends["post_low"] == pytest.approx(improvement * scale)
    assert ends["post_high"] - ends["pre"] == pytest.approx((deterioration or improvement) * scale)


def test_thresholds_combine_with_cutoffs_and_groups() -> None:
    frame = pd.DataFrame({"pre": [20, 16, 12], "post": [4, 9, 12], "arm": ["a", "a", "b"]})
    change = threshold_change(
        frame, ("pre", "post"), direction="higher_is_worse", unit="points", improvement=5, by="arm"
    )
    cutoff = clinical_cutoff("given", direction="higher_is_worse", value=8)
    result = clinical_significance(change, cutoff)
    assert result.frame["clinical_class"].tolist() == ["recovered", "improved", "unchanged"]
    assert set(result.tidy()["level"]) == {"", "a", "b"}


def sleep() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data" / "sleepstudy.csv").rename(columns={"Subject": "patient"})


@pytest.mark.parametrize("compare_with", ["average_change", "no_change"])
def test_slopes_agree_with_lme4(compare_with: Any) -> None:
    result = multilevel_change(
        sleep(), "Reaction", direction="higher_is_worse", compare_with=compare_with, time="Days", level=0.90
    )
    by_patient = result.frame.groupby("patient").first()
    average = GOLDEN["average_slope"][0]
    deviation, spread = np.array(GOLDEN["slope_deviation"]), np.array(GOLDEN["slope_sd"])
    index = (deviation + (average if compare_with == "no_change" else 0)) / spread
    np.testing.assert_allclose(by_patient["change"], average + deviation, rtol=GOLDEN["rtol_slopes"], atol=1e-5)
    np.testing.assert_allclose(by_patient["change_index"], index, rtol=1e-5, atol=1e-5)
    assert counts(result.tidy())[2] == int((index > 1.6448536).sum())
    assert result.glance()["n"].iloc[0] == 18


def test_slopes_stand_in_the_rows_of_their_patients_in_any_order() -> None:
    frame = sleep()
    shuffled = frame.sample(frac=1, random_state=3)
    named = {"direction": "higher_is_worse", "compare_with": "average_change", "time": "Days"}
    first = multilevel_change(frame, "Reaction", **named)  # type: ignore[arg-type]
    second = multilevel_change(shuffled, "Reaction", **named)  # type: ignore[arg-type]
    np.testing.assert_allclose(second.frame["change"].sort_index(), first.frame["change"], rtol=1e-6)
    patient = frame[frame["patient"] == frame["patient"].iloc[0]]
    assert first.pre[0] == patient.loc[patient["Days"].idxmin(), "Reaction"]
    assert first.post[0] == patient.loc[patient["Days"].idxmax(), "Reaction"]


def test_patients_not_rows_are_counted_in_groups_and_incomplete_rows_are_said() -> None:
    frame = sleep().assign(arm=lambda data: np.where(data["patient"] < "s340", "first", "second"))
    frame.loc[4, "Reaction"] = np.nan
    result = multilevel_change(
        frame, "Reaction", direction="higher_is_worse", compare_with="average_change", time="Days", by="arm"
    )
    table = result.tidy()
    first = sleep().query("patient < 's340'")["patient"].nunique()
    assert table[table["level"] == "first"]["n"].tolist() == [first] * 3
    assert "1 rows lack patient, time or score and are left out of the model." in result.notes


def test_slopes_that_do_not_vary_are_refused() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"patient": np.repeat(range(40), 3), "session": [1, 2, 3] * 40})
    frame["score"] = 20 - frame["session"] + np.tile([0.5, -1, 0.5], 40) * np.repeat(rng.normal(size=40), 3)
    with pytest.raises(ModelError, match=r"not to vary between patients(.|\n)*use reliable_change"):
        multilevel_change(frame, "score", direction="higher_is_worse", compare_with="no_change")


@pytest.mark.parametrize("method", METHODS)
def test_tidy_uses_the_vocabulary_first(method: str) -> None:
    cutoff = clinical_cutoff("given", direction="higher_is_worse", value=60)
    change = judged(gds(), method)
    for table in (change.tidy(), clinical_significance(change, cutoff).tidy()):
        known = [name for name in table.columns if name in COLUMNS]
        assert list(table.columns[: len(known)]) == known == sorted(known, key=COLUMNS.index)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: error(reliability=1.2), "reliability = 1.2 (.|\n)*as a share"),
        (lambda: error(reliability_post=0.0), "reliability_post = 0.0 (.|\n)*as a share"),
        (lambda: error(kind="alpha"), "'alpha'(.|\n)*'retest' or 'internal_consistency'"),
        (lambda: error(sd="pooled"), "'pooled'(.|\n)*positive number or 'sample'"),
        (lambda: error(sd=-1.0), "sd = -1.0(.|\n)*positive number or 'sample'"),
        (lambda: error(mean="norm"), "mean = 'norm'(.|\n)*number or 'sample'"),
        (lambda: Norm(mean=3, sd=0), "sd 0 is none(.|\n)*positive sd"),
        (lambda: judged(gds(), "reliable"), "No method 'reliable'(.|\n)*multilevel_change"),
        (lambda: judged(gds(), level=95), "level = 95(.|\n)*use 0.95"),
        (lambda: judged(gds(), direction="up"), "No direction 'up'(.|\n)*higher_is_better"),
        (lambda: judged(gds(), "edwards_nunnally", error=error(mean=None)), "regress to a mean(.|\n)*mean="),
        (lambda: judged(gds(), "nunnally_kotsch", error=error()), "last measurement(.|\n)*reliability_post="),
        (
            lambda: judged(gds(), "hageman_arrindell", error=error(sd=90.0)),
            "reliability of the difference(.|\n)*jacobson",
        ),
        (lambda: judged(gds().assign(pre=3.0)), "first scores do not vary(.|\n)*norm sample"),
        (lambda: judged(gds().assign(post=np.nan)), "0 rows have both 'pre' and 'post'(.|\n)*side by side"),
        (lambda: judged(gds().replace(77.0, np.inf)), "1 scores in 'post' are infinite(.|\n)*missing"),
        (lambda: clinical_cutoff("a", direction="higher_is_worse"), "Cut-off a needs dysfunctional=(.|\n)*al.Norm"),
        (lambda: clinical_cutoff("given", direction="higher_is_worse"), "needs the cut-off(.|\n)*value="),
        (lambda: clinical_cutoff("d", direction="higher_is_worse"), "No cut-off 'd'(.|\n)*use 'a'"),  # type: ignore[arg-type]
        (lambda: clinical_cutoff("a", direction="higher_is_worse", value=3), "value= is not used(.|\n)*given"),
        (
            lambda: clinical_cutoff(
                "c", direction="higher_is_better", dysfunctional=Norm(mean=9, sd=1), functional=Norm(mean=3, sd=1)
            ),
            "functional mean 3 is not better(.|\n)*direction='higher_is_better'",
        ),
        (lambda: clinical_significance(judged(gds()), {}), "No cut-off(.|\n)*clinical_cutoff"),
        (
            lambda: clinical_significance(
                judged(gds()), clinical_cutoff("given", direction="higher_is_better", value=60)
            ),
            "higher_is_better, but the change was judged as higher_is_worse(.|\n)*same direction",
        ),
        (lambda: five(1, 2, start="here"), "No start 'here'(.|\n)*use 'dysfunctional'"),
        (
            lambda: threshold_change(
                gds(), ("pre", "post"), direction="higher_is_worse", unit="percent", improvement=0.0
            ),
            "improvement = 0.0 is not above 0(.|\n)*direction=",
        ),
        (
            lambda: threshold_change(
                gds() - 70, ("pre", "post"), direction="higher_is_worse", unit="percent", improvement=50
            ),
            "'pre' has negative scores(.|\n)*points",
        ),
        (
            lambda: threshold_change(
                gds(),
                ("pre", "post"),
                direction="higher_is_worse",
                unit="share",
                improvement=0.5,  # type: ignore[arg-type]
            ),
            "No unit 'share'(.|\n)*'percent' or 'points'",
        ),
        (
            lambda: multilevel_change(
                sleep(),
                "Reaction",
                direction="higher_is_worse",
                compare_with="zero",
                time="Days",  # type: ignore[arg-type]
            ),
            "No reference 'zero'(.|\n)*no_change",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: judged(gds().assign(change=1)), "'change' already(.|\n)*rename"),
        (lambda: judged(gds().assign(patient=range(26)), by="patient"), "table of single cases(.|\n)*group by"),
        (lambda: judged(gds(), by="arm"), "No column 'arm'(.|\n)*Hint"),
        (
            lambda: reliable_change(
                gds(),
                ("pre", "pre"),
                method="jacobson_truax",
                direction="higher_is_worse",
                error=error(),
            ),
            "two columns(.|\n)*score_post",
        ),
    ],
)
def test_wrong_columns_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ColumnError, match=message):
        make()
