"""Courses over time: golden values of lme4, what the kinds of rows mean, breaks, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from growth_courses import courses

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.process.breakpoint import profile_break
from alliance_stats.process.growth import Growth, growth
from alliance_stats.process.growth_terms import TimeTerms
from alliance_stats.result import COLUMNS

GOLDEN = Path(__file__).parents[1] / "golden"
GOLD: dict[str, Any] = json.loads((GOLDEN / "growth.json").read_text())
RTOL = 5e-6  # of p values; estimates agree to 1e-8, standard errors and df to 1e-7
FORMS = [("linear", None), ("log", None), ("quadratic", None), ("piecewise", 12)]


@pytest.fixture(scope="module")
def course() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / "growth_course.csv")


@pytest.fixture(scope="module")
def broken(course: pd.DataFrame) -> Growth:
    random = ["(1 + elapsed | patient)"]
    return growth(course, "distress", form="piecewise", time="week", by="arm", break_at="estimate", random=random)


@pytest.fixture(scope="module")
def two_arms() -> Growth:
    return growth(courses(), "distress", form="piecewise", time="week", by="arm", break_at=8)


def rows(result: Growth, kind: str, **options: Any) -> pd.DataFrame:
    table = result.tidy(**options)
    return table[table["kind"] == kind]


@pytest.mark.parametrize(("form", "break_at"), FORMS)
def test_changes_are_those_of_lmertest(course: pd.DataFrame, form: Any, break_at: Any) -> None:
    result = growth(course, "distress", form=form, time="week", by="arm", break_at=break_at)
    gold = GOLD[form]
    assert result.fit.criterion == pytest.approx(gold["criterion"], abs=1e-6)
    np.testing.assert_allclose(result.tidy("coefficients")["estimate"], gold["fixed"], rtol=1e-6)
    np.testing.assert_allclose(result.tidy("coefficients")["std_error"], gold["std_error"], rtol=1e-6)
    table = result.tidy()
    table = table[(table["from_time"] == 0) & (table["to_time"] == 24)].set_index(["kind", "group"])
    pairs = (("within", ("within group", "brief")), ("between", ("between groups", "waiting - brief")))
    for name, key in pairs:
        for column in ("estimate", "std_error", "df", "p_value"):
            assert table.loc[key, column] == pytest.approx(gold[name][column], rel=RTOL)


def test_the_linear_model_is_that_of_nlme(course: pd.DataFrame) -> None:
    result = growth(course, "distress", form="linear", time="week", by="arm")
    np.testing.assert_allclose(result.tidy("coefficients")["estimate"], GOLD["nlme_linear"]["fixed"], rtol=1e-5)
    np.testing.assert_allclose(result.tidy("coefficients")["std_error"], GOLD["nlme_linear"]["std_error"], rtol=1e-5)


def test_the_break_and_its_interval_are_those_of_a_grid_in_r(broken: Growth) -> None:
    row, gold = broken.tidy("break").iloc[0], GOLD["break"]
    assert row["estimate"] == pytest.approx(gold["estimate"], abs=1e-4)  # the deviance is flat there
    assert row["conf_low"] == pytest.approx(gold["low"], abs=2e-4)
    assert row["conf_high"] == pytest.approx(gold["high"], abs=2e-4)
    profile = broken.tidy("profile").set_index("value")["deviance"]
    expected = np.array(gold["deviance"]) - gold["lowest"]
    np.testing.assert_allclose(profile.loc[gold["grid"]], expected, atol=2e-5)


def test_standardised_changes_are_divided_by_the_baseline_sd_of_r(broken: Growth) -> None:
    sd = GOLD["baseline_sd"]
    assert broken.glance()["baseline_sd"].iloc[0] == pytest.approx(sd, rel=1e-12)
    table = rows(broken, "between groups")
    for name in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(table[f"std_{name}"], table[name] / sd)


def test_the_gain_of_a_straight_line_is_slope_times_duration_over_baseline_sd() -> None:
    result = growth(courses(), "distress", form="linear", time="week", by="arm")
    slope = result.tidy("coefficients").set_index("term").loc["elapsed:arm[T.waiting]", "estimate"]
    row = rows(result, "between groups").iloc[0]
    assert row["std_estimate"] == pytest.approx(18 * slope / result.glance()["baseline_sd"].iloc[0])
    assert row["rate"] == pytest.approx(slope)


@pytest.mark.parametrize("form", ["linear", "log", "quadratic"])
def test_between_group_rows_are_differences_of_within_group_rows(form: Any) -> None:
    result = growth(courses(), "distress", form=form, time="week", by="arm")
    within = rows(result, "within group").set_index("group")["estimate"]
    between = rows(result, "between groups").set_index("group")["estimate"]
    assert between["waiting - brief"] == pytest.approx(within["waiting"] - within["brief"])
    means = rows(result, "mean").set_index(["group", "to_time"])["estimate"]
    at_one = rows(result, "between groups at one time").set_index("to_time")["estimate"]
    assert at_one[18.0] == pytest.approx(means["waiting", 18.0] - means["brief", 18.0])
    assert means["brief", 18.0] - means["brief", 0.0] == pytest.approx(within["brief"])


def test_phases_add_up_and_are_named(two_arms: Growth) -> None:
    table = rows(two_arms, "within group").set_index(["group", "phase"])["estimate"]
    assert table["brief", "before the break"] + table["brief", "after the break"] == pytest.approx(
        table["brief", "whole time"]
    )
    slopes = two_arms.tidy("coefficients").set_index("term")["estimate"]
    rates = rows(two_arms, "within group").set_index(["group", "phase"])["rate"]
    assert rates["brief", "after the break"] == pytest.approx(slopes["phase_2"])
    assert rates["waiting", "before the break"] == pytest.approx(slopes["phase_1"] + slopes["phase_1:arm[T.waiting]"])


def test_the_result_says_which_estimand_is_which(two_arms: Growth) -> None:
    assert list(dict.fromkeys(two_arms.tidy()["kind"])) == [
        "within group",
        "between groups",
        "mean",
        "between groups at one time",
    ]
    assert two_arms.notes[0].startswith("Estimands: 'within group' is the change of a group's mean")
    alone = growth(courses(), "distress", form="log", time="week")
    assert set(alone.tidy()["kind"]) == {"within group", "mean"}
    assert "without a comparison group it is not an effect of treatment" in alone.notes[0]


def test_changes_at_times_asked_for_follow_the_curve(two_arms: Growth) -> None:
    table = rows(two_arms, "within group", times=(2, 8, 12)).query("group == 'brief'")
    assert table["term"].tolist() == ["change from 2 to 8", "change from 8 to 12", "change from 2 to 12"]
    slopes = two_arms.tidy("coefficients").set_index("term")["estimate"]
    expected = [6 * slopes["phase_1"], 4 * slopes["phase_2"], 6 * slopes["phase_1"] + 4 * slopes["phase_2"]]
    np.testing.assert_allclose(table["estimate"], expected)


@pytest.mark.parametrize(
    ("times", "message"), [((8, 2), "ascending order"), ((0, 40), "asks for 40(?s:.*)not extended")]
)
def test_changes_are_not_given_for_impossible_times(two_arms: Growth, times: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        two_arms.tidy(times=times)


def test_level_and_df_method_change_the_interval(two_arms: Growth) -> None:
    wide, narrow = (rows(two_arms, "within group", level=level).iloc[0] for level in (0.99, 0.8))
    assert wide["conf_low"] < narrow["conf_low"] < narrow["estimate"]
    normal = rows(two_arms, "within group", df="normal").iloc[0]
    assert np.isinf(normal["df"])
    assert normal["conf_high"] - normal["estimate"] == pytest.approx(1.959963984540054 * normal["std_error"])


def test_the_curve_passes_through_the_means(two_arms: Growth) -> None:
    curve = two_arms.tidy("curve").set_index(["group", "time"])
    means = rows(two_arms, "mean").set_index(["group", "to_time"])
    for key in means.index:
        for column in ("estimate", "conf_low", "conf_high"):
            assert curve.loc[key, column] == pytest.approx(means.loc[key, column])


def test_the_curve_with_an_estimated_break_is_wider_than_with_the_same_break_given() -> None:
    frame = courses()
    free = growth(frame, "distress", form="piecewise", time="week", by="arm", break_at="estimate")
    psi = free.tidy("break")["estimate"].iloc[0]
    held = growth(frame, "distress", form="piecewise", time="week", by="arm", break_at=psi)
    ours, theirs = free.tidy("curve"), held.tidy("curve")
    np.testing.assert_allclose(ours["estimate"], theirs["estimate"], rtol=1e-6)
    near = (ours["time"] - psi).abs() < 2
    assert (ours.loc[near, "std_error"] > theirs.loc[near, "std_error"]).mean() > 0.9


def test_a_known_break_and_known_changes_are_recovered() -> None:
    found = []
    for seed in range(10):
        result = growth(courses(seed), "distress", form="piecewise", time="week", by="arm", break_at="estimate")
        row = result.tidy("break").iloc[0]
        table = result.tidy(times=(0, 18))
        change = table[table["group"] == "brief"].iloc[0]
        truth = -1.5 * 8 + 0.4 * 10
        found.append(
            (
                row["estimate"],
                row["conf_low"] <= 8 <= row["conf_high"],
                change["conf_low"] <= truth <= change["conf_high"],
            )
        )
    breaks, covered, changes = np.array(found).T
    assert abs(breaks.mean() - 8) < 3 * breaks.std() / np.sqrt(10)
    assert covered.mean() >= 0.7
    assert changes.mean() >= 0.7


def test_a_hockey_stick_after_termination_is_found() -> None:
    # Falls until 8, rises until 12, stays.
    frame = courses(slopes=(-1.5, 0.0), difference=(0.0, 0.0), n_patients=80)
    frame["distress"] += 1.2 * np.clip(frame["week"] - 8, 0, 4)
    result = growth(frame, "distress", form="hockey_stick", time="week", break_at=8)
    table = result.tidy("break")
    assert table["kind"].tolist() == ["given", "likelihood ratio"]
    assert table["conf_low"].iloc[1] <= 12 <= table["conf_high"].iloc[1]
    within = rows(result, "within group").set_index("phase")
    assert within.index.tolist() == ["first", "second", "third", "whole time"]
    for phase, rate in (("first", -1.5), ("second", 1.2), ("third", 0.0)):
        assert abs(within.loc[phase, "rate"] - rate) < 4 * within.loc[phase, "std_error"] / (
            within.loc[phase, "to_time"] - within.loc[phase, "from_time"]
        )


def test_a_hockey_stick_of_follow_up_data_needs_no_termination() -> None:
    frame = courses(n_patients=40)
    first = growth(frame, "distress", form="hockey_stick", time="week")
    second = growth(frame, "distress", form="piecewise", time="week", break_at="estimate")
    assert first.tidy("break")["estimate"].iloc[0] == pytest.approx(second.tidy("break")["estimate"].iloc[0])


def test_a_break_that_the_data_do_not_bound_is_said() -> None:
    frame = courses(slopes=(-0.5, -0.5), difference=(0.0, 0.0), n_patients=20)
    result = growth(frame, "distress", form="piecewise", time="week", break_at="estimate", random=("patient",))
    row = result.tidy("break").iloc[0]
    assert not (row["low_reached"] and row["high_reached"])
    assert any("these data do not bound it" in note for note in result.notes)


def test_the_profile_finds_the_lowest_of_several_valleys() -> None:
    def deviance(value: float) -> float:
        return float(np.minimum(40 * (value - 2.3) ** 2, 60 * (value - 6.4) ** 2 - 1.0))

    found = profile_break(deviance, np.arange(10.0))
    limits = found.limits(0.95)
    assert found.estimate == pytest.approx(6.4, abs=1e-4)
    assert found.lowest == pytest.approx(-1.0, abs=1e-6)
    assert not limits.connected
    assert limits.low == pytest.approx(2.3 - np.sqrt((3.8414588 - 1) / 40), abs=1e-3)
    assert limits.high == pytest.approx(6.4 + np.sqrt(3.8414588 / 60), abs=1e-3)


def test_columns_of_a_broken_line_add_up_to_elapsed_time() -> None:
    times = np.array([2.0, 5, 9, 14])
    terms = TimeTerms("hockey_stick", 2.0, (6.0, 10.0))
    np.testing.assert_allclose(sum(terms.columns(times).values()), times - 2)
    np.testing.assert_allclose(terms.columns(times)["phase_2"], [0, 0, 3, 4])
    np.testing.assert_allclose(TimeTerms("log", 1.0).columns(np.array([1.0, 3]))["log_elapsed"], [0, np.log(3)])


def test_order_of_rows_and_names_change_nothing() -> None:
    frame = courses(n_patients=24)
    other = frame.assign(patient=frame["patient"].map({p: -k for k, p in enumerate(frame["patient"].unique())}))
    first, second = (
        growth(data, "distress", form="piecewise", time="week", break_at="estimate", random=("patient",))
        for data in (frame, other.sample(frac=1, random_state=3))
    )
    for part in ("changes", "break", "observations"):
        pd.testing.assert_frame_equal(first.tidy(part), second.tidy(part), rtol=1e-4, atol=1e-6)


def test_units_of_time_and_outcome_do_not_matter_for_standardised_changes() -> None:
    frame = courses(n_patients=30)
    other = frame.assign(week=7 * frame["week"] + 3, distress=10 * frame["distress"] - 5)
    first = growth(frame, "distress", form="piecewise", time="week", by="arm", break_at=8).tidy()
    second = growth(other, "distress", form="piecewise", time="week", by="arm", break_at=59).tidy()
    for name in ("std_estimate", "std_conf_low", "p_value", "df"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-10)


def test_groups_of_numbers_are_categories() -> None:
    frame = courses(n_patients=30).assign(arm=lambda d: np.where(d["arm"] == "brief", 2, 10))
    result = growth(frame, "distress", form="linear", time="week", by="arm")
    assert result.groups == ("2", "10")
    assert rows(result, "between groups")["group"].tolist() == ["10 - 2"]


def test_therapists_and_couples_get_a_random_intercept() -> None:
    frame = courses(n_patients=40).assign(
        therapist=lambda d: d["patient"].str[-1], dyad=lambda d: d["patient"].str[1:].astype(int) // 2
    )
    formula = growth(frame, "distress", form="linear", time="week").fit.formula
    assert formula == "distress ~ elapsed + (1 + elapsed | patient) + (1 | therapist) + (1 | dyad)"
    frame.loc[:5, "therapist"] = None
    result = growth(frame, "distress", form="linear", time="week")
    assert "therapist" not in result.fit.formula
    assert any("therapist: it is missing in 6 of 440 rows" in note for note in result.notes)


def test_rows_without_a_rating_are_counted() -> None:
    frame = courses(n_patients=20)
    frame.loc[[3, 5, 30], "distress"] = np.nan
    result = growth(frame, "distress", form="linear", time="week")
    assert any("3 without distress" in note for note in result.notes)
    assert result.glance()["n"].iloc[0] == 217


def test_no_standardised_change_without_a_spread_at_the_start() -> None:
    frame = courses(n_patients=20)
    frame = frame[(frame["week"] > 0) | (frame["patient"] == "p000")]
    result = growth(frame, "distress", form="linear", time="week")
    assert result.tidy()["std_estimate"].isna().all()
    assert any(note.startswith("No standardised estimates") for note in result.notes)


def test_patients_are_numbers_in_the_observations(two_arms: Growth) -> None:
    table = two_arms.tidy("observations")
    assert sorted(table["level"].unique()) == list(range(1, 61))
    assert not table.astype(str).apply(lambda column: column.str.startswith("p0")).to_numpy().any()


def test_tables_begin_with_the_columns_of_the_vocabulary(broken: Growth) -> None:
    for part in ("changes", "coefficients", "curve", "break", "profile", "observations"):
        names = [name for name in broken.tidy(part).columns if name in COLUMNS]
        assert names == [name for name in COLUMNS if name in names]
        assert list(broken.tidy(part).columns[: len(names)]) == names


LINE: dict[str, Any] = {"form": "linear", "time": "week"}
BAD: list[tuple[str, Any, dict[str, Any], type[Exception], str]] = [
    ("form", lambda d: d, {"form": "cubic"}, DataError, "No form of growth 'cubic'"),
    (
        "one rating",
        lambda d: d[d["week"] == 0],
        {},
        DataError,
        "Each of the 60 patients has one rating(?s:.*)two or more",
    ),
    ("no variation", lambda d: d.assign(distress=1.0), {}, DataError, "'distress' is the same in all 660"),
    ("two times", lambda d: d[d["week"] < 2], {"form": "quadratic"}, DataError, "needs 3 or more(?s:.*)'linear'"),
    (
        "three times",
        lambda d: d[d["week"] < 3],
        {"form": "piecewise", "break_at": "estimate"},
        DataError,
        "estimated break needs 4 or more different values of 'week'; these rows have 3",
    ),
    ("no break", lambda d: d, {"form": "piecewise"}, DataError, "where the line bends(?s:.*)break_at='estimate'"),
    ("break of a line", lambda d: d, {"break_at": 3}, DataError, "form='linear' has no break(?s:.*)'piecewise'"),
    ("word", lambda d: d, {"form": "piecewise", "break_at": "end"}, DataError, "neither a number nor 'estimate'"),
    ("outside", lambda d: d, {"form": "piecewise", "break_at": 40}, DataError, "break_at=40 leaves 11 .* 0 after it"),
    ("late", lambda d: d, {"form": "hockey_stick", "break_at": 14}, DataError, "2 after it(?s:.*)inside its range"),
    (
        "groups change",
        lambda d: d.assign(arm=d["week"] > 4),
        {"by": "arm"},
        DataError,
        "60 patients are in more than one",
    ),
    (
        "one group",
        lambda d: d.assign(arm="a"),
        {"by": "arm"},
        DataError,
        "makes 1 group in the 660 rows(?s:.*)leave by= out",
    ),
    ("by people", lambda d: d.assign(site=1), {"by": "site"}, DataError, "'site' names people or places"),
    (
        "twice",
        lambda d: pd.concat([d, d.iloc[:2]]),
        {},
        DataError,
        "2 rows repeat the patient and week of an earlier row(?s:.*)one row per patient and week",
    ),
    ("roles", lambda d: d, {"by": "distress"}, DataError, "two roles"),
    (
        "taken",
        lambda d: d.assign(elapsed="a"),
        {"by": "elapsed"},
        DataError,
        "'elapsed' is used by the model(?s:.*)rename",
    ),
    ("no column", lambda d: d, {"time": "day"}, ColumnError, "No column 'day'"),
    (
        "few ratings",
        lambda d: d[d["week"].isin([0, 8, 18])],
        {"form": "piecewise", "break_at": 8},
        DataError,
        "180 ratings of 60 patients cannot carry 3 random effects(?s:.*)intercepts alone",
    ),
]


@pytest.mark.parametrize(
    ("change", "options", "error", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input_is_named_with_its_remedy(
    change: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        growth(change(courses()), "distress", **(LINE | options))


def test_an_unknown_part_is_named(two_arms: Growth) -> None:
    with pytest.raises(DataError, match="No part 'slopes'"):
        two_arms.tidy("slopes")  # type: ignore[arg-type]
