from __future__ import annotations

import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, InstrumentError
from alliance_stats.loaders.map_values import Measure
from alliance_stats.scales.measures import add_measure
from alliance_stats.scales.scoring import score

RELATION = Measure(label="Session Rating Scale", instrument="srs_v3", items="srs{}", score="sum")


@pytest.fixture
def forms() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "patient": [1, 2],
            "srs1": [7.4, 3.0],
            "srs2": [8.1, 2.5],
            "srs3": [6.9, None],
            "srs4": [9.0, 4.1],
            "oq": [61, 48],
        }
    )
    frame.attrs["notes"] = ("Read.",)
    return frame


def test_a_finished_column_is_copied(forms: pd.DataFrame) -> None:
    out = add_measure(forms, Measure(label="Distress", column="oq", better="lower"), name="outcome")
    assert list(out["outcome"]) == [61, 48]
    assert list(out.columns) == [*forms.columns, "outcome"]
    assert out.attrs["notes"] == ("Read.", "'outcome' is oq: Distress.")


def test_an_instrument_is_scored_into_one_column(forms: pd.DataFrame) -> None:
    out = add_measure(forms, RELATION, name="alliance")
    expected = score(forms, "srs_v3", items="srs{}")["srs_v3_sum"]
    pd.testing.assert_series_equal(out["alliance"], expected, check_names=False)
    assert list(out.columns) == [*forms.columns, "alliance"]


def test_the_notes_of_scoring_are_kept(forms: pd.DataFrame) -> None:
    notes = add_measure(forms, RELATION, name="alliance").attrs["notes"]
    assert notes[0] == "Read."
    assert notes[1:-1] == score(forms, "srs_v3", items="srs{}", scores=["sum"]).attrs["notes"][1:]
    assert notes[-1] == "'alliance' is srs_v3, score 'sum': Session Rating Scale."


@pytest.mark.parametrize(
    "items", [("srs1", "srs2", "srs3", "srs4"), {"1": "srs1", "2": "srs2", "3": "srs3", "4": "srs4"}]
)
def test_items_can_be_a_list_or_a_table(forms: pd.DataFrame, items: tuple[str, ...] | dict[str, str]) -> None:
    measure = Measure(label="A", instrument="srs_v3", items=items, score="sum")
    assert add_measure(forms, measure, name="alliance")["alliance"].iloc[0] == pytest.approx(31.4)


def test_storage_reaches_the_instrument(forms: pd.DataFrame) -> None:
    measure = Measure(label="A", instrument="srs_v3", items="srs{}", score="sum", storage="upside_down")
    with pytest.raises(InstrumentError, match="no storage 'upside_down'"):
        add_measure(forms, measure, name="alliance")


def test_the_measure_can_be_added_again_and_after_scoring(forms: pd.DataFrame) -> None:
    once = add_measure(score(forms, "srs_v3", items="srs{}"), RELATION, name="alliance")
    again = add_measure(once, RELATION, name="alliance")
    pd.testing.assert_frame_equal(again, once)
    assert again.attrs == once.attrs
    assert "srs_v3_sum" in again


def test_a_column_may_keep_its_name(forms: pd.DataFrame) -> None:
    out = add_measure(forms, Measure(label="Distress", column="oq"), name="oq")
    assert list(out["oq"]) == [61, 48]


def test_the_input_is_not_changed(forms: pd.DataFrame) -> None:
    before = forms.copy()
    add_measure(forms, RELATION, name="alliance")
    pd.testing.assert_frame_equal(forms, before)
    assert forms.attrs == {"notes": ("Read.",)}


@pytest.mark.parametrize("taken", [[1.0, 2.0], ["a", "b"]])
def test_a_column_with_other_content_is_not_overwritten(forms: pd.DataFrame, taken: list[object]) -> None:
    with pytest.raises(ColumnError, match=r"(?s)'alliance' already, with other content.*Hint: choose another name="):
        add_measure(forms.assign(alliance=taken), RELATION, name="alliance")


def test_a_canonical_column_cannot_hold_a_measure(forms: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match=r"(?s)'patient' is the column of who is treated.*Hint: choose another name="):
        add_measure(forms, RELATION, name="patient")


def test_a_score_the_instrument_does_not_offer_is_an_error_with_names(forms: pd.DataFrame) -> None:
    measure = Measure(label="A", instrument="srs_v3", items="srs{}", score="summ")
    with pytest.raises(InstrumentError, match=r"(?s)No .*score 'summ'. Known: sum.*Hint: did you mean 'sum'"):
        add_measure(forms, measure, name="alliance")


def test_a_missing_column_is_an_error(forms: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match=r"(?s)No column 'oq2'.*Did you mean 'oq'.*column map"):
        add_measure(forms, Measure(label="D", column="oq2"), name="outcome")


def test_a_measure_of_nothing_is_an_error(forms: pd.DataFrame) -> None:
    with pytest.raises(InstrumentError, match=r"(?s)'Odd' has neither a column nor an instrument.*Hint: name column="):
        add_measure(forms, Measure(label="Odd", instrument="srs_v3"), name="alliance")
