"""Options of ruptures, sudden gains, instability and synchrony that are of the wrong kind, and frames at their doors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from course_frames import noise

import alliance_stats as al
from alliance_stats import AllianceStatsError

FRAME = noise(12, 10).assign(other=lambda d: d["score"].to_numpy()[::-1], day=lambda d: 7.0 * d["session"])
GAINS: dict[str, Any] = {"cutoff": 3, "criterion": "gaynor", "direction": "higher_is_worse"}

Call = Callable[..., Any]


def ruptures(frame: Any = FRAME, **options: Any) -> Any:
    return al.ruptures(frame, **({"alliance": "score", "criterion": "gumz_1sd", "repair": 1.0} | options))


def points(frame: Any = FRAME, **options: Any) -> Any:
    return ruptures(frame, **({"criterion": "points", "cutoff": 2} | options))


def sudden_gains(frame: Any = FRAME, column: Any = "score", **options: Any) -> Any:
    return al.sudden_gains(frame, column, **(GAINS | options))


def around_gains(frame: Any = FRAME, **options: Any) -> Any:
    gains = options.pop("gains", al.sudden_gains(FRAME, "score", **GAINS))
    return al.around_gains(gains, frame, **({"column": "other"} | options))


def compare_gains(frame: Any = FRAME, column: Any = "score", **options: Any) -> Any:
    return al.compare_gain_criteria(frame, column, **({"cutoff": 3, "direction": "higher_is_worse"} | options))


def compare_ruptures(frame: Any = FRAME, **options: Any) -> Any:
    return al.compare_rupture_criteria(frame, **({"alliance": "score", "repair": 1.0} | options))


def instability(frame: Any = FRAME, column: Any = "score", **options: Any) -> Any:
    return al.instability(frame, column, **options)


def synchrony(frame: Any = FRAME, columns: Any = ("score", "other"), **options: Any) -> Any:
    quick = {"window": 4, "lag_max": 1, "by": "patient", "surrogates": al.Surrogates(n=9)}
    return al.synchrony(frame, columns, **(quick | options))


DOORS: list[Call] = [
    ruptures,
    sudden_gains,
    around_gains,
    compare_gains,
    compare_ruptures,
    instability,
    synchrony,
]

BAD: list[tuple[Call, str, list[Any]]] = [
    (ruptures, "alliance", [None, ["score"], 1]),
    (ruptures, "criterion", [None, ["gumz_1sd"], 1, al.load_gain_criterion("gaynor"), "stricter"]),
    (ruptures, "repair", [None, "1", True, 0, 1.5, float("nan")]),
    (ruptures, "within", ["3", 1.5, True, 0, -1]),
    (ruptures, "missing", [None, ["break"], 1, "skip"]),
    (ruptures, "direction", [None, 1, "up"]),
    (points, "cutoff", ["2", True, 0, -1, [2], float("inf")]),
    (sudden_gains, "column", [None, ["score"], 1]),
    (sudden_gains, "cutoff", [None, True, "5", 0, -3, [5]]),
    (sudden_gains, "criterion", [None, ["gaynor"], al.load_rupture_criterion("points"), "best"]),
    (sudden_gains, "missing", [None, ["adjusted"], "drop"]),
    (sudden_gains, "direction", [None, ["higher_is_better"], "down"]),
    (around_gains, "gains", [None, FRAME, "gaynor"]),
    (around_gains, "column", [None, ["other"], 1]),
    (around_gains, "which", [None, ["first"], "best"]),
    (around_gains, "caliper", ["0.2", True, 0, -1, [0.2]]),
    (compare_gains, "criteria", [None, "gaynor", ["gaynor"], 3, [None, "gaynor"]]),
    (compare_gains, "cutoff", [None, "3"]),
    (compare_ruptures, "criteria", [None, "gumz_1sd", [], [["gumz_1sd"], "gumz_2sd"]]),
    (compare_ruptures, "within", ["3", 2.5, True]),
    (compare_ruptures, "repair", [None, "1"]),
    (compare_ruptures, "direction", [None, "up"]),
    (instability, "column", [None, ["score"]]),
    (instability, "by", [None, [], 1]),
    (instability, "time", [["day"], 7, "date"]),
    (instability, "exponent", ["0.5", True, 50, -1, float("nan")]),
    (synchrony, "columns", [None, "score", ("score",), ("score", "score"), ("score", 1), ("score", "session")]),
    (synchrony, "window", ["5", 5.0, None, True, 0]),
    (synchrony, "lag_max", ["1", 1.0, None, True, -1]),
    (synchrony, "by", [None, [], [1], 1]),
    (synchrony, "time", [None, ["session"], 1]),
    (synchrony, "surrogates", [100, "100", {"n": 100}]),
    (al.Surrogates, "n", ["10", 1.5, 0, None, True]),
    (al.Surrogates, "seed", [-1, "a", None, 1.5, True]),
]


@pytest.mark.parametrize(
    ("call", "option", "value"), [(call, option, value) for call, option, values in BAD for value in values]
)
def test_a_wrong_option_is_an_error_with_a_hint(call: Call, option: str, value: Any) -> None:
    with pytest.raises(AllianceStatsError, match=r"\nHint: .{10,}") as error:
        call(**{option: value})
    said = str(error.value).lower().replace("cut-off", "cutoff").replace("criteria", "criterion")
    words = {
        "criteria": "criterion",
        "direction": "direction|higher score",
        "missing": "missing",
        "which": "which|gain",
    }
    named = words.get(option, {"lag_max": "lag_max|window", "columns": "column"}.get(option, option))
    assert re.search(named, said) or str(value).lower() in said


@pytest.mark.parametrize("call", DOORS)
@pytest.mark.parametrize("frame", [None, [1, 2], {"patient": [1]}, "frame.csv"])
def test_what_is_no_frame_is_refused(call: Call, frame: Any) -> None:
    with pytest.raises(AllianceStatsError, match=r"needs a table of sessions[\s\S]*Hint: pass a pandas"):
        call(frame)


@pytest.mark.parametrize("call", DOORS)
def test_frames_of_other_libraries_and_indexes_give_the_same_numbers(call: Call) -> None:
    expected = call(FRAME).tidy()
    shifted = FRAME.set_axis(FRAME["patient"].rename("patient") + 100, axis=0)
    texts = FRAME.assign(session=FRAME["session"].astype(str))
    for frame in (pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME), shifted, texts):
        pd.testing.assert_frame_equal(call(frame).tidy(), expected)


@pytest.mark.parametrize("call", DOORS)
def test_the_frame_passed_in_is_not_changed(call: Call) -> None:
    frame = FRAME.assign(session=FRAME["session"].astype(str)).set_index("patient", drop=False)
    before = frame.copy()
    call(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("call", DOORS)
def test_rows_without_a_patient_are_left_out_and_counted(call: Call) -> None:
    nobody = FRAME.iloc[:7].assign(patient=np.nan)
    both = pd.concat([nobody, FRAME, nobody.iloc[:1].assign(score=np.nan, other=np.nan)], ignore_index=True)
    result = call(both)
    pd.testing.assert_frame_equal(result.tidy(), call(FRAME).tidy())
    assert any(
        note.startswith("Rows: 128; used: 120, of 12 patients; left out: 8 without patient") for note in result.notes
    )


@pytest.mark.parametrize("call", DOORS)
def test_sessions_given_as_dates_are_refused_with_a_way_to_number_them(call: Call) -> None:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(FRAME["session"], unit="D")
    for dates in (days, days.dt.strftime("%d.%m.%Y"), days.dt.date):
        with pytest.raises(AllianceStatsError, match=r"'session' holds dates[\s\S]*Hint: [\s\S]*rank\('dense'\)"):
            call(FRAME.assign(session=dates))


@pytest.mark.parametrize(
    ("call", "options"),
    [
        (ruptures, {}),
        (sudden_gains, {}),
        (around_gains, {}),
        (compare_ruptures, {}),
        (instability, {}),
        (synchrony, {}),
    ],
)
def test_intervals_can_have_another_level(call: Call, options: dict[str, Any]) -> None:
    result = call(**options)
    wide, narrow = result.tidy(), result.tidy(level=0.8)
    known = wide["conf_low"].notna() & (wide["conf_low"] < wide["conf_high"])
    assert known.any()
    assert (narrow["conf_level"] == 0.8).all()
    width, other = ((table["conf_high"] - table["conf_low"])[known] for table in (wide, narrow))
    assert (other < width).all()
    pd.testing.assert_series_equal(narrow["estimate"], wide["estimate"])
    for level in (0, 1, "0.8", True, None):
        with pytest.raises(AllianceStatsError, match=r"level = .* is not between 0 and 1[\s\S]*0.95"):
            result.tidy(level=level)


def test_a_level_of_t_intervals_is_that_of_the_t_distribution() -> None:
    from scipy.stats import t

    row = around_gains().tidy(level=0.9).query("term == 'change' and group == 'difference'").iloc[0]
    reach = t.ppf(0.95, row["n"] - 1) * row["std_error"]
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((row["estimate"] - reach, row["estimate"] + reach))
    half = instability().tidy(level=0.9).iloc[0]
    assert half["conf_high"] - half["estimate"] == pytest.approx(t.ppf(0.95, half["n"] - 1) * half["std_error"])


def test_results_print_in_one_line_with_their_counts() -> None:
    gains, falls, both = sudden_gains(), ruptures(), compare_ruptures()
    row = gains.glance().iloc[0]
    counts = f"{row['n_gains']} gains, {row['n_losses']} losses"
    assert repr(gains) == f"SuddenGains(score, gaynor, {counts}, 12 patients)"
    row = falls.glance().iloc[0]
    ends = ", ".join(f"{row[f'n_{end}']} {end}" for end in ("repaired", "unrepaired", "open"))
    assert repr(falls) == f"Ruptures(score, gumz_1sd, {row['n_ruptures']} ruptures, {ends}, 12 patients)"
    assert repr(both) == "CriteriaOverlap(score, ruptures by gumz_1sd, gumz_2sd, own_sd_step, control_chart)"


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (al.load_rupture_criterion("gumz_1sd"), {"threshold": "1"}),
        (al.load_rupture_criterion("gumz_1sd"), {"fall": ["step"]}),
        (al.load_gain_criterion("gaynor"), {"share": "0.25"}),
        (al.load_gain_criterion("gaynor"), {"constant": "0.5"}),
        (al.load_gain_criterion("gaynor"), {"critical": "2"}),
        (al.load_gain_criterion("gaynor"), {"alpha": None}),
    ],
)
def test_criteria_of_wrong_types_are_refused(rule: Any, change: dict[str, Any]) -> None:
    with pytest.raises(AllianceStatsError, match=rf"{next(iter(change))}[\s\S]*Hint"):
        replace(rule, **change)
