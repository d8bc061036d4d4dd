"""Session, patient and therapist parts of a rating."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.centering import within_between


def sessions(seed: int = 3, n_patients: int = 12, n_therapists: int = 4) -> pd.DataFrame:
    """Return an unbalanced table with gaps and missing ratings."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [
            {"patient": f"p{i}", "therapist": f"t{i % n_therapists}", "session": t, "wai": rng.normal(50, 8)}
            for i in range(n_patients)
            for t in sorted(rng.choice(np.arange(1, 9), size=rng.integers(3, 7), replace=False).tolist())
        ]
    )
    frame.loc[rng.choice(len(frame), size=4, replace=False), "wai"] = np.nan
    return frame


PARTS = ["wai_session", "wai_patient", "wai_therapist"]


def test_session_part_sums_to_zero_within_each_patient() -> None:
    out = within_between(sessions(), "wai")
    assert out.groupby("patient")["wai_session"].sum().abs().max() < 1e-10


@pytest.mark.parametrize("weights", ["sessions", "patients"])
def test_parts_add_up_to_the_rating_minus_the_grand_mean(weights: Any) -> None:
    out = within_between(sessions(), "wai", weights=weights)
    grand = {"sessions": out["wai"].mean(), "patients": out.groupby("patient")["wai"].mean().mean()}[weights]
    rated = out["wai"].notna()
    np.testing.assert_allclose(out.loc[rated, PARTS].sum(axis=1), out.loc[rated, "wai"] - grand, atol=1e-12)


def test_parts_are_uncorrelated_over_rows_when_sessions_are_weighted_alike() -> None:
    parts = within_between(sessions(), "wai").dropna()[PARTS].to_numpy()
    cross = parts.T @ parts
    assert np.abs(cross - np.diag(np.diag(cross))).max() < 1e-9 * np.diag(cross).max()


def test_patient_and_therapist_parts_follow_from_pandas_means() -> None:
    frame = sessions()
    out = within_between(frame, "wai")
    patient = frame.groupby("patient")["wai"].transform("mean")
    therapist = frame.groupby("therapist")["wai"].transform("mean")
    np.testing.assert_allclose(out["wai_patient"], patient - therapist, atol=1e-12)
    np.testing.assert_allclose(out["wai_therapist"], therapist - frame["wai"].mean(), atol=1e-12)


def test_weighting_patients_alike_takes_the_mean_of_patient_means() -> None:
    frame = sessions()
    out = within_between(frame, "wai", weights="patients")
    means = frame.groupby(["therapist", "patient"])["wai"].mean()
    therapist = frame["therapist"].map(means.groupby("therapist").mean())
    np.testing.assert_allclose(out["wai_therapist"], therapist - means.mean(), atol=1e-12)


def test_weighting_changes_nothing_in_a_balanced_table() -> None:
    frame = sessions().groupby("patient").head(3).fillna({"wai": 50.0})
    one, other = (within_between(frame, "wai", weights=w)[PARTS] for w in ("sessions", "patients"))
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_patient_level_alone_is_centred_on_the_grand_mean() -> None:
    out = within_between(sessions(), "wai", levels=("patient",))
    assert "wai_therapist" not in out
    rated = out["wai"].notna()
    total = out["wai_session"] + out["wai_patient"]
    np.testing.assert_allclose(total[rated], out.loc[rated, "wai"] - out["wai"].mean(), atol=1e-12)


def test_three_nested_levels_add_up() -> None:
    frame = sessions().assign(site=lambda f: f["therapist"].isin(["t0", "t1"]).astype(int))
    out = within_between(frame, "wai", levels=("patient", "therapist", "site")).dropna()
    np.testing.assert_allclose(out[[*PARTS, "wai_site"]].sum(axis=1), out["wai"] - out["wai"].mean(), atol=1e-12)


def test_constant_alliance_gives_parts_of_exactly_zero() -> None:
    out = within_between(sessions().assign(wai=0.1), "wai", detrend="linear", weights="patients")
    assert (out[["wai_session", "wai_trend", "wai_patient", "wai_therapist"]] == 0).all(axis=None)


def test_row_order_does_not_matter_and_is_kept() -> None:
    frame = sessions()
    shuffled = frame.sample(frac=1, random_state=1)
    out = within_between(shuffled, "wai", lag=1, detrend="linear")
    assert out.index.equals(shuffled.index)
    pd.testing.assert_frame_equal(out.sort_index(), within_between(frame, "wai", lag=1, detrend="linear"))


@pytest.mark.parametrize("dtype", ["int", "category"])
def test_relabelling_patients_changes_nothing(dtype: str) -> None:
    frame = sessions()
    labels = frame["patient"].map({name: i for i, name in enumerate(sorted(set(frame["patient"]), reverse=True))})
    again = within_between(frame.assign(patient=labels.astype(dtype)), "wai", lag=2)
    added = [*PARTS, "wai_lag2", "wai_session_lag2"]
    pd.testing.assert_frame_equal(again[added], within_between(frame, "wai", lag=2)[added])


def test_the_given_frame_is_not_changed() -> None:
    frame = sessions()
    before = frame.copy()
    within_between(frame, "wai", lag=1)
    pd.testing.assert_frame_equal(frame, before)
    assert "notes" not in frame.attrs


def test_an_index_with_repeated_labels_is_no_obstacle() -> None:
    frame = sessions()
    repeated = within_between(frame.set_axis(np.zeros(len(frame), dtype=int)), "wai", lag=1)
    np.testing.assert_array_equal(repeated["wai_lag1"], within_between(frame, "wai", lag=1)["wai_lag1"])


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 100.0))
def test_session_part_scales_with_the_unit_and_ignores_the_origin(shift: float, scale: float) -> None:
    frame = sessions()
    one = within_between(frame, "wai")[PARTS]
    other = within_between(frame.assign(wai=frame["wai"] * scale + shift), "wai")[PARTS]
    np.testing.assert_allclose(other, one * scale, atol=1e-9 * max(1.0, abs(shift), scale))


# Lag


def lagged_by_hand(frame: pd.DataFrame, column: str, lag: int) -> list[float]:
    known = {(p, s): v for p, s, v in zip(frame["patient"], frame["session"], frame[column], strict=True)}
    return [known.get((p, s - lag), np.nan) for p, s in zip(frame["patient"], frame["session"], strict=True)]


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_lag_takes_the_session_with_that_number_and_respects_gaps(lag: int) -> None:
    frame = sessions().sample(frac=1, random_state=5)
    out = within_between(frame, "wai", lag=lag)
    np.testing.assert_array_equal(out[f"wai_lag{lag}"], lagged_by_hand(frame, "wai", lag))
    np.testing.assert_array_equal(out[f"wai_session_lag{lag}"], lagged_by_hand(out, "wai_session", lag))


def test_lag_is_missing_after_a_gap() -> None:
    frame = pd.DataFrame({"patient": 1, "session": [1, 2, 4, 5], "wai": [1.0, 2.0, 3.0, 4.0]})
    out = within_between(frame, "wai", levels=("patient",), lag=1)
    np.testing.assert_array_equal(out["wai_lag1"], [np.nan, 1.0, np.nan, 3.0])


def test_lag_never_crosses_patients() -> None:
    frame = pd.DataFrame({"patient": [1, 1, 2, 2], "session": [1, 2, 3, 4], "wai": [1.0, 2.0, 3.0, 4.0]})
    out = within_between(frame, "wai", levels=("patient",), lag=1)
    np.testing.assert_array_equal(out["wai_lag1"], [np.nan, 1.0, np.nan, 3.0])


def test_rows_without_a_patient_have_no_lag() -> None:
    frame = pd.DataFrame({"patient": ["a", "a", None, None], "session": [1, 2, 1, 2], "wai": [1.0, 2.0, 3.0, 4.0]})
    out = within_between(frame, "wai", levels=("patient",), lag=1)
    np.testing.assert_array_equal(out["wai_lag1"], [np.nan, 1.0, np.nan, np.nan])


def test_session_numbers_may_be_far_apart() -> None:
    frame = pd.DataFrame({"patient": [1, 1, 2], "session": [-(10**14), 1 - 10**14, 10**14], "wai": [1.0, 2.0, 3.0]})
    out = within_between(frame, "wai", levels=("patient",), lag=1)
    np.testing.assert_array_equal(out["wai_lag1"], [np.nan, 1.0, np.nan])


def test_a_missing_rating_is_a_missing_lag_and_keeps_its_patient_part() -> None:
    frame = pd.DataFrame({"patient": 1, "session": [1, 2, 3], "wai": [1.0, np.nan, 3.0]})
    out = within_between(frame, "wai", levels=("patient",), lag=1)
    np.testing.assert_array_equal(out["wai_lag1"], [np.nan, 1.0, np.nan])
    np.testing.assert_array_equal(out["wai_session"], [-1.0, np.nan, 1.0])
    assert out["wai_patient"].notna().all()


# Detrending


def test_detrending_removes_each_patients_own_line() -> None:
    frame = sessions()
    out = within_between(frame, "wai", detrend="linear").dropna()
    for _, rows in out.groupby("patient"):
        if len(rows) >= 3:
            assert abs(np.polyfit(rows["session"], rows["wai_session"], 1)).max() < 1e-9


def test_detrended_parts_and_the_trend_add_up() -> None:
    out = within_between(sessions(), "wai", detrend="linear")
    grand = out["wai"].mean()
    out = out.dropna()
    np.testing.assert_allclose(out[[*PARTS, "wai_trend"]].sum(axis=1), out["wai"] - grand, atol=1e-12)


def test_detrending_leaves_the_patient_and_therapist_parts_alone() -> None:
    plain, detrended = within_between(sessions(), "wai"), within_between(sessions(), "wai", detrend="linear")
    pd.testing.assert_frame_equal(plain[PARTS[1:]], detrended[PARTS[1:]])


def test_two_ratings_are_too_few_for_a_trend_and_are_counted() -> None:
    frame = pd.DataFrame({"patient": [1, 1, 2, 2, 2], "session": [1, 2, 1, 2, 3], "wai": [1.0, 2.0, 1.0, 2.0, 4.0]})
    out = within_between(frame, "wai", levels=("patient",), detrend="linear")
    np.testing.assert_array_equal(out["wai_session"].isna(), [True, True, False, False, False])
    assert "Patients with fewer than three ratings of wai, whose session part is missing: 1." in out.attrs["notes"]


# Names


def test_a_mapping_names_columns_that_are_called_otherwise() -> None:
    frame = sessions().rename(columns={"patient": "pid", "therapist": "th_id", "session": "visit"})
    out = within_between(frame, "wai", levels={"patient": "pid", "therapist": "th_id"}, lag=1, session="visit")
    expected = within_between(sessions(), "wai", lag=1)
    pd.testing.assert_frame_equal(out[PARTS], expected[PARTS])


def test_one_level_may_be_given_as_a_word() -> None:
    frame = sessions()
    one, other = within_between(frame, "wai", levels="patient"), within_between(frame, "wai", levels=("patient",))
    pd.testing.assert_frame_equal(one, other)


# Notes


def notes(frame: pd.DataFrame, **options: Any) -> str:
    return "\n".join(within_between(frame, "wai", **options).attrs["notes"])


def test_notes_count_ratings_units_and_missing_values() -> None:
    frame = sessions()
    assert (
        f"Ratings of wai: {len(frame) - 4} from 12 patients, 4 therapists; 4 of {len(frame)} rows have none."
        in notes(frame)
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "session as deviation from the patient's own mean, patient mean from therapist mean"),
        ({"levels": ("patient",)}, "patient mean from grand mean"),
        ({}, "every rating counts once (weights='sessions')"),
        ({"weights": "patients"}, "every patient counts once (weights='patients')"),
        ({"detrend": "linear"}, "the patient's own least-squares line over session numbers"),
        ({"lag": 1}, "Lag of wai: 1 in session numbers of the same patient"),
    ],
)
def test_notes_say_what_was_done(options: dict[str, Any], text: str) -> None:
    assert text in notes(sessions(), **options)


def test_notes_count_patients_with_a_single_rating() -> None:
    frame = pd.DataFrame({"patient": [1, 1, 2], "wai": [1.0, 2.0, 3.0]})
    assert "Patients with one rating of wai, who carry no session part: 1." in notes(frame, levels=("patient",))
    drawn_in = "Patients with one rating of wai, whose session part is what their mean is drawn in by: 1."
    assert drawn_in in notes(frame, levels=("patient",), weights="reliability")


def test_notes_say_that_there_is_one_therapist_only() -> None:
    text = notes(sessions(n_therapists=1))
    assert "There is one therapist only: wai_therapist is the same in all rows." in text


def test_notes_count_ratings_that_belong_to_nobody() -> None:
    frame = sessions().fillna({"wai": 50.0})
    frame.loc[[0, 1], "therapist"] = None
    out = within_between(frame, "wai")
    assert "Ratings of wai left out for want of patient or therapist: 2." in out.attrs["notes"]
    assert out.loc[[0, 1], PARTS].isna().all(axis=None)


def test_notes_are_appended_once() -> None:
    frame = sessions()
    frame.attrs["notes"] = ("Read from a file.",)
    out = within_between(frame, "wai")
    assert out.attrs["notes"][0] == "Read from a file."
    again = within_between(out[frame.columns], "wai")
    assert again.attrs["notes"] == out.attrs["notes"]


def test_notes_name_columns_that_were_replaced() -> None:
    text = notes(sessions().assign(wai_session=7.0))
    assert "Columns that were there before and were computed anew: wai_session." in text


def test_notes_never_show_an_identifier() -> None:
    text = notes(sessions(), lag=1, detrend="linear")
    assert not any(f"{letter}{number}" in text.split() for letter in "pt" for number in range(12))


# What cannot be used


CROSSED = pd.DataFrame(
    {
        "patient": ["Anna", "Anna", "Bert", "Bert"],
        "therapist": ["x", "y", "x", "x"],
        "session": [1, 2, 1, 2],
        "wai": 1.0,
    }
)
PLAIN = pd.DataFrame({"patient": [1, 1, 2, 2], "therapist": 1, "session": [1, 2, 1, 2], "wai": [1.0, 2.0, 3.0, 5.0]})
BAD = [
    (PLAIN, {"levels": ("patient", "therapst")}, ColumnError, r"therapst(?s:.*)Did you mean 'therapist'"),
    (PLAIN.drop(columns="therapist"), {}, ColumnError, r"'therapist'(?s:.*)levels=\('patient',\)"),
    (PLAIN.drop(columns="patient"), {"levels": ("patient",)}, ColumnError, r'levels=\{"patient": "its column"'),
    (PLAIN.drop(columns="wai"), {}, ColumnError, r"No column 'wai'"),
    (PLAIN.drop(columns="session"), {"lag": 1}, ColumnError, r"'session'(?s:.*)session=\"their column\""),
    (PLAIN.assign(wai="good"), {}, ColumnError, r"'wai' should hold numbers"),
    (PLAIN.assign(wai=np.nan), {}, DataError, r"No row has both a value in 'wai'"),
    (PLAIN.assign(wai=np.inf), {}, DataError, r"4 infinite values(?s:.*)missing"),
    (PLAIN.iloc[:0], {}, DataError, r"no rows"),
    (CROSSED, {}, DataError, r"1 of 2 patients belongs to more than one therapist(?s:.*)levels=\('patient',\)"),
    (PLAIN, {"lag": -1}, DataError, r"lag=-1(?s:.*)session before"),
    (PLAIN, {"lag": 1.5}, DataError, r"lag=1.5 is not a number of sessions"),
    (PLAIN, {"lag": "1"}, DataError, r"lag='1' is not a number of sessions"),
    (PLAIN, {"lag": True}, DataError, r"lag=True is not a number of sessions"),
    (PLAIN, {"lag": 9}, DataError, r"at a lag of 9; session numbers run over 2 sessions(?s:.*)smaller lag"),
    (PLAIN.assign(session=1), {"lag": 1}, DataError, r"2 rows repeat a patient and session(?s:.*)one rater"),
    (PLAIN.assign(session=[1, 1.5, 1, 2]), {"lag": 1}, DataError, r"whole numbers(?s:.*)rank"),
    (PLAIN.assign(session=[1, None, 1, 2]), {"detrend": "linear"}, DataError, r"whole numbers"),
    (PLAIN, {"detrend": "loess"}, DataError, r"No detrend option 'loess'\. Known: linear"),
    (PLAIN, {"weights": "therapists"}, DataError, r"No weights option 'therapists'(?s:.*)did you mean|Known: sessions"),
    (PLAIN, {"levels": ()}, DataError, r"No level was named(?s:.*)levels="),
    (PLAIN, {"levels": ("patient", "patient")}, DataError, r"named twice"),
    (PLAIN, {"levels": {"patient": "patient", "dyad": "patient"}}, DataError, r"named twice"),
    (PLAIN, {"levels": ("session",)}, DataError, r"'session' is not a grouping level"),
]


@pytest.mark.parametrize(("frame", "options", "error", "message"), BAD)
def test_bad_input_is_refused_with_a_remedy(
    frame: pd.DataFrame, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        within_between(frame, "wai", **options)


def test_the_refusal_of_broken_nesting_shows_no_name() -> None:
    with pytest.raises(DataError) as refusal:
        within_between(CROSSED, "wai")
    assert not any(name in str(refusal.value) for name in ("Anna", "Bert"))


def test_crossed_patients_and_therapists_can_be_split_by_dyad() -> None:
    out = within_between(CROSSED.assign(dyad=[1, 2, 3, 3], wai=[1.0, 2.0, 3.0, 5.0]), "wai", levels=("dyad",))
    np.testing.assert_array_equal(out["wai_session"], [0.0, 0.0, -1.0, 1.0])


def test_duplicated_sessions_are_fine_without_a_lag() -> None:
    out = within_between(PLAIN.assign(session=1), "wai", levels=("patient",))
    np.testing.assert_array_equal(out["wai_session"], [-0.5, 0.5, -1.0, 1.0])


def test_an_id_is_no_rating() -> None:
    sessions = pd.DataFrame({"patient": [1, 1, 2, 2], "session": [1, 2, 1, 2], "therapist": [1, 1, 2, 2]})
    with pytest.raises(ColumnError, match=r"(?s)'patient' holds who is treated, not a rating.*column of a score"):
        within_between(sessions, "patient")


# Parabolas


def test_a_parabola_leaves_no_linear_or_quadratic_trend() -> None:
    out = within_between(sessions(), "wai", detrend="quadratic").dropna()
    assert len(out) > 10
    for _, rows in out.groupby("patient"):
        assert abs(np.polyfit(rows["session"], rows["wai_session"], 2)).max() < 1e-8


def test_the_parabola_is_the_least_squares_one() -> None:
    frame = sessions(seed=8)
    out = within_between(frame, "wai", detrend="quadratic").dropna()
    name = out["patient"].iloc[0]
    own = frame[(frame["patient"] == name) & frame["wai"].notna()]
    fitted = np.polyval(np.polyfit(own["session"], own["wai"], 2), own["session"])
    np.testing.assert_allclose(out.loc[out["patient"] == name, "wai_session"], own["wai"] - fitted, atol=1e-9)


def test_three_ratings_are_too_few_for_a_parabola_and_are_counted() -> None:
    frame = pd.DataFrame(
        {"patient": [1] * 3 + [2] * 4, "session": [1, 2, 3, 1, 2, 3, 4], "wai": [1.0, 2, 4, 1, 3, 2, 5]}
    )
    out = within_between(frame, "wai", levels=("patient",), detrend="quadratic")
    assert out["wai_session"].isna().tolist() == [True] * 3 + [False] * 4
    assert "Patients with fewer than four ratings of wai, whose session part is missing: 1." in out.attrs["notes"]
    assert "own least-squares parabola over session numbers" in " ".join(out.attrs["notes"])


def test_four_ratings_in_two_sessions_carry_no_parabola() -> None:
    frame = pd.DataFrame({"patient": [1] * 4, "session": [1, 1, 2, 2], "wai": [1.0, 2.0, 4.0, 3.0]})
    assert within_between(frame, "wai", levels=("patient",), detrend="quadratic")["wai_session"].isna().all()


# Means as far as they are reliable

LEVELS = json.loads((Path(__file__).parents[1] / "golden" / "levels.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("level", ["patient", "therapist"])
def test_predicted_means_are_the_random_effects_of_lme4(level: str) -> None:
    frame = pd.read_csv(Path(__file__).parents[1] / "golden" / "data" / "alliance_sessions.csv")
    out = within_between(frame, "alliance", weights="reliability").drop_duplicates(level).set_index(level)
    expected = LEVELS["predicted"]
    np.testing.assert_allclose(out.loc[expected[f"{level}_names"], f"alliance_{level}"], expected[level], atol=2e-5)


def test_a_patients_mean_is_drawn_in_by_its_reliability() -> None:
    frame = sessions(n_patients=40).dropna()
    out = within_between(frame, "wai", levels=("patient",), weights="reliability")
    fit = lmm("wai ~ 1 + (1 | patient)", frame)
    tau2, sigma2 = fit.variance_components()["estimate"]
    groups = frame.groupby("patient")["wai"]
    reliability = tau2 / (tau2 + sigma2 / groups.transform("size"))
    expected = reliability * (groups.transform("mean") - fit.fixed_effects["Intercept"])
    np.testing.assert_allclose(out["wai_patient"], expected, rtol=1e-6, atol=1e-9)


def test_reliable_parts_still_add_up() -> None:
    out = within_between(sessions(n_patients=40), "wai", weights="reliability").dropna()
    total = out[PARTS].sum(axis=1) - out["wai"]
    assert np.ptp(total) < 1e-9


def test_slopes_on_reliable_parts_are_those_on_true_means() -> None:
    # In a balanced table the between slope on observed means is within + reliability * (between - within), Lüdtke et al. (2008).
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"patient": np.repeat(np.arange(60), 4)})
    frame["wai"] = rng.normal(size=60)[frame["patient"]] + rng.normal(size=240)
    frame["distress"] = frame["wai"] + rng.normal(size=60)[frame["patient"]] + rng.normal(size=240)
    slopes = {}
    for weights in ("sessions", "reliability"):
        parts = within_between(frame, "wai", levels=("patient",), weights=weights)  # type: ignore[arg-type]
        slopes[weights] = lmm("distress ~ wai_session + wai_patient + (1 | patient)", parts).fixed_effects
    fit = lmm("wai ~ 1 + (1 | patient)", frame)
    tau2, sigma2 = fit.variance_components()["estimate"]
    reliability = tau2 / (tau2 + sigma2 / 4)
    within, between = slopes["sessions"]["wai_session"], slopes["sessions"]["wai_patient"]
    assert slopes["reliability"]["wai_session"] == pytest.approx(within, rel=1e-5)
    assert slopes["reliability"]["wai_patient"] == pytest.approx(within + (between - within) / reliability, rel=1e-5)


def test_notes_say_how_reliable_means_are() -> None:
    text = notes(sessions(n_patients=40, n_therapists=8), weights="reliability")
    assert "Reliability of a patient's mean of wai: median 0." in text or "estimated at zero" in text
    assert "drawn towards the mean above (weights='reliability')" in text


def test_a_variance_of_zero_leaves_no_patient_part_and_is_said() -> None:
    frame = pd.DataFrame({"patient": [1, 1, 2, 2, 3, 3], "wai": [1.0, 5.0, 5.0, 1.0, 1.0, 5.1]})
    out = within_between(frame, "wai", levels=("patient",), weights="reliability")
    assert (out["wai_patient"].abs() < 1e-9).all()
    assert any("between patients is estimated at zero" in note for note in out.attrs["notes"])


@pytest.mark.parametrize(
    ("wai", "message"),
    [
        (
            [1.0, np.nan, 3.0, np.nan],
            r"No patient has two ratings of 'wai' \(2 patients with one\)(?s:.*)weights=\"sessions\"",
        ),
        ([2.0] * 4, r"does not vary"),
    ],
)
def test_the_reliability_of_means_needs_repeated_ratings_that_vary(wai: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        within_between(PLAIN.assign(wai=wai), "wai", levels=("patient",), weights="reliability")


def test_more_than_four_levels_are_refused() -> None:
    frame = PLAIN.assign(site=1, country=1)
    with pytest.raises(DataError, match=r"4 levels above the session are too many(?s:.*)from the inside out"):
        within_between(frame, "wai", levels=("patient", "therapist", "site", "country"))
