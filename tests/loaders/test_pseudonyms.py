from __future__ import annotations

import hashlib
import hmac
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import AllianceStatsError
from alliance_stats.loaders.labels import ColumnLabels, with_labels
from alliance_stats.loaders.missing_reasons import with_reasons
from alliance_stats.loaders.pseudonyms import suspicious_columns

KEY = "a secret that is long enough"


def ward() -> pd.DataFrame:
    """Return a session table full of what must not leave the house."""
    return pd.DataFrame(
        {
            "patient": ["Quibble", "Quibble", "Snark", "Snark"],
            "therapist": ["Boole", "Boole", "Boole", None],
            "session": [1, 2, 1, 2],
            "sex": ["f", "f", "m", "m"],
            "seen": pd.to_datetime(["2020-03-01", "2020-03-08", "2021-01-10", "2021-01-01"]),
            "booked": ["2020-02-28", None, "2021-01-02", "2021-01-03"],
            "age": [91, 91, 34, 34],
            "diary": ["I met my brother Humphrey on Friday and we talked for hours", "b", "c", "d"],
            "wai": [4.0, np.nan, 5.0, 6.0],
        }
    )


def safe(**options: Any) -> pd.DataFrame:
    """Return the pseudonymised ward."""
    return al.pseudonymise(ward(), **{"key": KEY, "study": "ward 7", "dates": ["booked"], "ages": ["age"], **options})


def test_a_pseudonym_is_the_keyed_hash_of_study_column_and_id() -> None:
    expected = hmac.new(KEY.encode(), b"ward 7\0patient\0Quibble", hashlib.sha256).hexdigest()[:16]
    assert safe()["patient"].iloc[0] == expected


def test_the_same_person_keeps_the_pseudonym_and_others_have_others() -> None:
    found = safe()["patient"]
    assert found.iloc[0] == found.iloc[1] != found.iloc[2]


@pytest.mark.parametrize("option", [{"key": KEY + "!"}, {"study": "ward 8"}])
def test_another_key_or_study_gives_other_pseudonyms(option: dict[str, str]) -> None:
    assert set(safe(**option)["patient"]).isdisjoint(safe()["patient"])


def test_the_same_id_has_different_pseudonyms_as_patient_and_therapist() -> None:
    frame = pd.DataFrame({"patient": ["x"], "therapist": ["x"]})
    found = al.pseudonymise(frame, key=KEY, study="s")
    assert found["patient"].iloc[0] != found["therapist"].iloc[0]


def test_missing_ids_stay_missing() -> None:
    assert safe()["therapist"].isna().tolist() == [False, False, False, True]


def test_dates_are_days_since_the_first_date_of_the_patient() -> None:
    found = safe()
    assert found["seen"].tolist() == [2, 9, 9, 0]
    assert found["booked"].isna().tolist() == [False, True, False, False]
    assert found["booked"].dropna().tolist() == [0, 1, 2]


def test_the_time_of_day_does_not_shift_a_day() -> None:
    frame = pd.DataFrame({"patient": [1, 1], "at": pd.to_datetime(["2020-03-01 15:00", "2020-03-02 09:00"])})
    assert al.pseudonymise(frame, key=KEY, study="s")["at"].tolist() == [0, 1]


def test_high_ages_form_one_class() -> None:
    assert safe()["age"].tolist() == [90, 90, 34, 34]
    assert "'age': 2 ages above 90 became 90." in safe().attrs["notes"]


def test_free_text_is_left_out_or_named() -> None:
    assert "diary" not in safe()
    kept = safe(free_text="keep")
    assert kept["diary"].tolist() == ward()["diary"].tolist()
    assert any("kept, check them for names: diary" in note for note in kept.attrs["notes"])


def test_categories_and_ratings_stay() -> None:
    assert safe()["sex"].tolist() == ["f", "f", "m", "m"]
    np.testing.assert_array_equal(safe()["wai"], ward()["wai"])


def test_further_columns_of_ids_can_be_named() -> None:
    found = al.pseudonymise(ward().assign(clinic="Bedlam"), key=KEY, study="s", ids=["clinic"])
    assert found["clinic"].nunique() == 1
    assert "Bedlam" not in found.to_csv()


def test_no_secret_is_left_in_table_notes_or_key() -> None:
    text = safe().to_csv() + repr(safe().attrs)
    for secret in ("Quibble", "Snark", "Boole", "Humphrey", "2020", "2021", KEY, "91"):
        assert secret not in text


def test_reasons_of_missing_answers_stay_with_their_rows() -> None:
    frame = with_labels(ward(), {"wai": ColumnLabels("Alliance", ((-99.0, "refused"),))})
    frame = with_reasons(frame, {"wai": {-99.0: np.array([1])}}, {})
    found = al.missing_reasons(al.pseudonymise(frame, key=KEY, study="s"), "wai")
    assert found.tolist()[1] == "refused"
    assert found.isna().tolist() == [True, False, True, True]


def test_suspicious_columns_are_found() -> None:
    found = suspicious_columns(ward().assign(last_name="x"))
    assert found == {"seen": "date", "booked": "free text", "diary": "free text", "last_name": "name"}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "short key": ({"key": "short"}, r"(?s)key has 5 characters.*Hint: make one with secrets"),
    "key of another kind": ({"key": 12}, r"(?s)key is a int.*Hint"),
    "no study": ({"study": " "}, r"(?s)study has no name.*Hint: pass study="),
    "unknown way": ({"free_text": "shred"}, r"(?s)'shred'.*drop, keep"),
    "missing column": ({"ages": ["years"]}, r"(?s)No column 'years'.*Hint"),
    "dates that are none": ({"dates": ["diary"]}, r"(?s)4 of 4 cells of 'diary' are no dates.*Hint: .*to_datetime"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_done_is_an_error_with_evidence_and_hint(case: str) -> None:
    options, message = BAD[case]
    with pytest.raises(AllianceStatsError, match=message) as caught:
        safe(**options)
    assert "Humphrey" not in str(caught.value)


def test_a_date_of_birth_is_left_out_because_it_would_give_the_age_away() -> None:
    frame = pd.DataFrame({"patient": ["a", "a"], "age": [95, 95], "dob": pd.to_datetime(["1929-01-01"] * 2)})
    frame["seen"] = pd.to_datetime(["2024-01-01", "2024-01-09"])
    found = al.pseudonymise(frame, key=KEY, study="s", ages=["age"])
    assert "dob" not in found
    assert found["seen"].tolist() == [0, 8]
    assert any("left out: dob" in note for note in found.attrs["notes"])


@pytest.mark.parametrize("cells", [["2024-01-01", "2024-02-01"], ["03/04/2024", "4.5.24"]])
def test_dates_written_as_text_do_not_pass(cells: list[str]) -> None:
    frame = pd.DataFrame({"patient": [1, 2], "when": cells, "arm": ["a", "b"], "full_name": ["Anna", "Ben"]})
    found = al.pseudonymise(frame, key=KEY, study="s")
    assert found.columns.tolist() == ["patient", "arm"]
    assert any("when, full_name" in note for note in found.attrs["notes"])


def test_ids_read_as_decimals_or_with_spaces_keep_their_pseudonyms() -> None:
    forms: list[Any] = [[1, 2], [1.0, 2.0, None], ["1", "2"], ["1 ", " 2"]]
    made = [
        al.pseudonymise(pd.DataFrame({"patient": ids}), key=KEY, study="s")["patient"].tolist()[:2] for ids in forms
    ]
    assert made == [made[0]] * 4
