"""score() on wide tables: several sessions and raters in one row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import AllianceStatsWarning, ColumnError
from alliance_stats.scales.scoring import score


def sessions(n_rows: int = 3, n_sessions: int = 2, pattern: str = "srs{item}_t{session}") -> pd.DataFrame:
    values = np.random.default_rng(4).uniform(0, 10, (n_rows, 4 * n_sessions)).round(1)
    names = [pattern.format(item=item, session=n) for n in range(1, n_sessions + 1) for item in range(1, 5)]
    return pd.DataFrame(values, columns=names)


def test_every_session_gets_a_column_of_its_own_with_the_scores_of_its_items() -> None:
    wide = sessions(n_sessions=11)
    scored = score(wide, "srs_v3", items="srs{item}_t{session}")
    assert list(scored.columns[44:]) == [f"srs_v3_sum_session{n}" for n in range(1, 12)]
    for n in (1, 2, 11):
        alone = score(wide, "srs_v3", items=f"srs{{}}_t{n}")["srs_v3_sum"]
        pd.testing.assert_series_equal(scored[f"srs_v3_sum_session{n}"], alone, check_names=False)


def test_sessions_side_by_side_give_the_scores_of_the_long_table() -> None:
    wide = sessions()
    parts = [
        wide[[f"srs{i}_t{n}" for i in range(1, 5)]].set_axis([f"s{i}" for i in range(1, 5)], axis=1) for n in (1, 2)
    ]
    long = score(pd.concat(parts, ignore_index=True), "srs_v3", items="s{}")["srs_v3_sum"]
    scored = score(wide, "srs_v3", items="srs{item}_t{session}")
    assert [*scored["srs_v3_sum_session1"], *scored["srs_v3_sum_session2"]] == pytest.approx(long.tolist())


def test_raters_and_sessions_may_be_side_by_side() -> None:
    first = sessions(pattern="patient_s{session:02d}_q{item:02d}")
    wide = pd.concat([first, sessions(pattern="therapist_s{session:02d}_q{item:02d}") + 0], axis=1)
    scored = score(wide, "srs_v3", items="{rater}_s{session}_q{item}")
    assert sorted(scored.columns[16:]) == [
        "srs_v3_sum_patient_session1",
        "srs_v3_sum_patient_session2",
        "srs_v3_sum_therapist_session1",
        "srs_v3_sum_therapist_session2",
    ]
    assert scored["srs_v3_sum_patient_session2"].tolist() == pytest.approx(first.iloc[:, 4:].sum(axis=1).tolist())


def test_pattern_with_a_named_item_alone_is_a_plain_pattern() -> None:
    wide = sessions(n_sessions=1)
    assert "srs_v3_sum" in score(wide, "srs_v3", items="srs{item}_t1")


def test_notes_count_forms_and_missing_scores_of_each() -> None:
    wide = sessions()
    wide.loc[0, "srs2_t2"] = np.nan
    notes = score(wide, "srs_v3", items="srs{item}_t{session}").attrs["notes"]
    assert "2 forms per row; 1 of 24 answers missing" in notes[0]
    assert "1 of 6 scores missing (srs_v3_sum_session1 0, srs_v3_sum_session2 1)" in notes[1]
    assert len(notes) == 2


def test_session_without_an_item_is_named() -> None:
    with pytest.raises(ColumnError, match=r"No column 'srs3_t2'"):
        score(sessions().drop(columns="srs3_t2"), "srs_v3", items="srs{item}_t{session}")


def test_pattern_that_fits_no_column_is_refused() -> None:
    with pytest.raises(ColumnError, match=r"No column fits the pattern 'x\{item\}_t\{session\}'(.|\n)*Hint: write for"):
        score(sessions(), "srs_v3", items="x{item}_t{session}")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("srs{item}_t{visit}", r"unknown placeholder '\{visit\}'(.|\n)*use \{item\} and any of: .*\{session\}"),
        ("srs{}_t{item}", r"must hold \{item\} once"),
        ("srs_t{session}", r"must hold \{item\} once"),
        ("srs{item}_{session}_{session}", r"no other placeholder twice"),
    ],
)
def test_pattern_that_cannot_be_read_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(ColumnError, match=problem):
        score(sessions(), "srs_v3", items=pattern)


def test_two_columns_for_one_item_of_a_session_are_refused() -> None:
    with pytest.raises(ColumnError, match=r"ambiguous: item 1 of one form could be srs1_t1 or srs01_t1(.|\n)*drop one"):
        score(sessions().assign(srs01_t1=1), "srs_v3", items="srs{item}_t{session}")


def test_existing_score_column_of_a_session_is_not_overwritten() -> None:
    with pytest.raises(ColumnError, match="has 'srs_v3_sum_session2' already"):
        score(sessions().assign(srs_v3_sum_session2=1), "srs_v3", items="srs{item}_t{session}")


def test_suspicion_rests_on_the_answers_of_all_sessions_and_points_at_the_caller() -> None:
    wide = sessions(n_rows=5).clip(lower=1).round()
    with pytest.warns(AllianceStatsWarning, match="all 40 answers are whole numbers") as caught:
        score(wide, "srs_v3", items="srs{item}_t{session}")
    assert Path(caught[0].filename).name == Path(__file__).name


def test_columns_of_a_longer_form_are_suspected_in_wide_tables_too() -> None:
    wide = sessions().assign(srs5_t1=1.5, srs6_t2=1.5)
    with pytest.warns(AllianceStatsWarning, match="SRS has 4 items, but columns .* go up to 6"):
        score(wide, "srs_v3", items="srs{item}_t{session}")
