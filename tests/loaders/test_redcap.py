from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import AllianceStatsError, AllianceStatsWarning
from alliance_stats.loaders.branching import shown
from alliance_stats.loaders.labels import labels_of

HEAD = [
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Identifier?",
    "Branching Logic (Show field only if...)",
]
FIELDS = [
    ["record_id", "intake", "", "text", "Record", "", "", "", ""],
    ["family_name", "intake", "", "text", "Name", "", "", "y", ""],
    ["sex", "intake", "", "radio", "Sex", "1, female | 2, male", "", "", ""],
    ["mood", "intake", "", "text", "Mood, many times", "", "", "", ""],
    ["th", "session", "", "text", "Therapist", "", "", "", ""],
    ["wai1", "session", "", "radio", "<b>Goals</b>", "1, seldom | 5, always", "", "", ""],
    ["drugs", "session", "", "yesno", "Drugs?", "", "", "", ""],
    ["dose", "session", "", "text", "Dose", "", "", "", "[drugs] = '1'"],
    ["felt", "session", "", "checkbox", "Felt", "1, safe | -2, tense", "", "", ""],
]


def dictionary(folder: Path) -> Path:
    """Write a data dictionary."""
    pd.DataFrame(FIELDS, columns=HEAD).to_csv(folder / "dictionary.csv", index=False)
    return folder / "dictionary.csv"


def repeating() -> pd.DataFrame:
    """Return an export with a repeating instrument."""
    columns = [
        "record_id",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "family_name",
        "sex",
        "mood",
        "th",
        "wai1",
    ]
    columns += ["drugs", "dose", "felt___1", "felt____2", "session_complete"]
    rows = [
        ["01", "", "", "Quibble", "1", "3", "", "", "", "", "", "", ""],
        ["01", "session", "1", "", "", "4", "T1", "4", "0", "", "1", "0", "2"],
        ["01", "session", "2", "", "", "", "T1", "-999", "1", "20", "0", "1", "2"],
        ["02", "", "", "Snark", "2", "5", "", "", "", "", "", "", ""],
        ["02", "session", "1", "", "", "", "T2", "UNK", "1", "", "0", "0", "2"],
        ["02", "session", "2", "", "", "", "", "", "", "", "0", "0", "0"],
    ]
    return pd.DataFrame(rows, columns=columns)


def read(tmp_path: Path, table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """Write an export and read it."""
    table.to_csv(tmp_path / "data.csv", index=False)
    given = {"dictionary": dictionary(tmp_path), "form": "session", "missing": {"-999": "not asked", "UNK": "unknown"}}
    return al.read_redcap(tmp_path / "data.csv", **{**given, **options})


def test_repetitions_of_a_form_are_sessions_with_the_fields_of_the_record(tmp_path: Path) -> None:
    frame = read(tmp_path, repeating(), therapist="th")
    assert frame["patient"].tolist() == ["01", "01", "02", "02"]
    assert frame["session"].tolist() == [1, 2, 1, 2]
    assert frame["sex"].tolist() == [1, 1, 2, 2]
    assert frame["therapist"].tolist()[:3] == ["T1", "T1", "T2"]


def test_missing_data_codes_and_hidden_fields_have_their_reasons(tmp_path: Path) -> None:
    frame = read(tmp_path, repeating())
    np.testing.assert_array_equal(frame["wai1"].to_numpy(), [4.0, np.nan, np.nan, np.nan])
    wai = al.missing_reasons(frame, "wai1")
    assert [None if pd.isna(cell) else cell for cell in wai] == [None, "not asked", "unknown", None]
    dose = al.missing_reasons(frame, "dose")
    assert [None if pd.isna(cell) else cell for cell in dose] == ["not shown", None, None, "not shown"]
    assert any(
        "2 answers with a missing data code, 2 to fields that were not shown" in note for note in frame.attrs["notes"]
    )


def test_checkboxes_of_a_form_nobody_opened_are_missing(tmp_path: Path) -> None:
    frame = read(tmp_path, repeating())
    np.testing.assert_array_equal(frame["felt___1"].to_numpy(), [1, 0, 0, np.nan])
    np.testing.assert_array_equal(frame["felt____2"].to_numpy(), [0, 1, 0, np.nan])


def test_labels_come_from_the_dictionary(tmp_path: Path) -> None:
    known = labels_of(read(tmp_path, repeating()))
    assert (known["wai1"].label, dict(known["wai1"].value_labels)) == (
        "Goals",
        {1.0: "seldom", 5.0: "always", "-999": "not asked", "UNK": "unknown"},
    )
    assert known["felt____2"].label == "Felt: tense"
    assert dict(known["drugs"].value_labels)[1.0] == "Yes"


def test_identifiers_are_left_out_unless_wanted(tmp_path: Path) -> None:
    frame = read(tmp_path, repeating())
    assert "family_name" not in frame
    assert any("identifiers were left out: family_name" in note for note in frame.attrs["notes"])
    assert read(tmp_path, repeating(), keep_identifiers=True)["family_name"].tolist()[0] == "Quibble"


def test_fields_of_other_forms_that_vary_are_left_out_and_named(tmp_path: Path) -> None:
    frame = read(tmp_path, repeating())
    assert "mood" not in frame
    assert any("vary within records were left out: mood" in note for note in frame.attrs["notes"])


def longitudinal(names: list[str]) -> pd.DataFrame:
    """Return an export in which the form is filled in at several events."""
    rows = [["01", name, "", f"{k + 1}"] for k, name in enumerate(names)]
    rows[0][2:] = ["1", ""]
    return pd.DataFrame(rows, columns=["record_id", "redcap_event_name", "sex", "wai1"])


def test_events_with_numbers_are_sessions(tmp_path: Path) -> None:
    frame = read(tmp_path, longitudinal(["intake_arm_1", "session_1_arm_1", "session_10_arm_1"]))
    assert frame[["session", "wai1", "sex"]].to_numpy().tolist() == [[1, 2, 1], [10, 3, 1]]


def test_events_without_numbers_are_told(tmp_path: Path) -> None:
    table = longitudinal(["intake_arm_1", "early_arm_1", "late_arm_1"])
    with pytest.raises(
        AllianceStatsError, match=r"(?s)2 of 2 events have no session number.*early_arm_1.*Hint: .*events="
    ):
        read(tmp_path, table)
    assert read(tmp_path, table, events={"early_arm_1": 3, "late_arm_1": 12})["session"].tolist() == [3, 12]


def test_repeating_events_are_sessions(tmp_path: Path) -> None:
    table = pd.DataFrame(
        [["01", "visits_arm_1", "", "1", "2"], ["01", "visits_arm_1", "", "2", "4"]],
        columns=["record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "wai1"],
    )
    assert read(tmp_path, table)[["session", "wai1"]].to_numpy().tolist() == [[1, 2], [2, 4]]


ROWS = pd.DataFrame(
    {"a": ["1", "2", None], "b": ["x", "10", "9"], "c___1": ["1", "0", "1"], "c____2": ["0", "1", "0"]}, dtype="str"
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("[a] = '1'", [True, False, False]),
        ("[a]=1", [True, False, False]),
        ("[a] = '1.0'", [True, False, False]),
        ("[a] <> ''", [True, True, False]),
        ('[a] != "1"', [False, True, True]),
        ("[b] >= 9", [False, True, True]),
        ("[b] < 10", [False, False, True]),
        ("[c(1)] = '1'", [True, False, True]),
        ("[c(-2)] = '1'", [False, True, False]),
        ("[a] = '1' or [a] = '2' and [b] = '10'", [True, True, False]),
        ("([a] = '1' or [a] = '2') and [b] = '10'", [False, True, False]),
        ("not ([a] = '1') and [c(1)] = 1", [False, False, True]),
        ("[a] = '1' AND [b] = 'x'", [True, False, False]),
    ],
)
def test_branching_logic_is_evaluated(rule: str, expected: list[bool]) -> None:
    found = shown(rule, ROWS)
    assert found is not None
    assert found.tolist() == expected


@pytest.mark.parametrize(
    "rule",
    [
        "datediff([a], [b], 'd') > 3",
        "[intake_arm_1][a] = '1'",
        "[z] = '1'",
        "[a] =",
        "([a] = '1'",
        "[a] '1'",
        "and",
        "",
    ],
)
def test_rules_that_are_not_understood_tell_nothing(rule: str) -> None:
    assert shown(rule, ROWS) is None


LABELLED = repeating().rename(columns=lambda name: f"The {name}")
BAD: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "unknown form": (repeating(), {"form": "sessions"}, r"(?s)No form 'sessions'.*did you mean 'session'"),
    "labels instead of raw data": (LABELLED, {}, r"(?s)no column of its record id.*Hint: export 'raw data'"),
    "labels of answers instead of codes": (
        repeating().replace({"wai1": {"4": "Always"}, "sex": {"1": "female", "2": "male"}}),
        {},
        r"(?s)Labels of answers.*'sex' \(2 rows\), 'wai1' \(1 rows\).*Hint: export 'raw data'",
    ),
    "labels of yes and no": (repeating().replace({"drugs": {"1": "Yes"}}), {}, r"(?s)'drugs' \(2 rows\).*Hint"),
    "no field of the form": (
        repeating()[["record_id", "redcap_repeat_instrument", "redcap_repeat_instance"]],
        {},
        r"(?s)no field of the form 'session'.*Hint",
    ),
    "form that is not repeated": (
        repeating()[["record_id", "sex", "wai1"]],
        {},
        r"(?s)no repeating form or event.*Hint: name the form",
    ),
    "broken instance": (
        repeating().replace({"redcap_repeat_instance": {"2": "x"}}),
        {},
        r"(?s)2 of 4 rows.*no whole number.*Hint",
    ),
    "therapist that is not there": (repeating(), {"therapist": "doctor"}, r"(?s)No column 'doctor'.*Hint"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_export_that_does_not_fit_is_an_error_with_evidence_and_hint(tmp_path: Path, case: str) -> None:
    table, options, message = BAD[case]
    with pytest.raises(AllianceStatsError, match=message) as caught:
        read(tmp_path, table, **options)
    assert "Quibble" not in str(caught.value)


def test_a_file_that_is_no_dictionary_is_an_error(tmp_path: Path) -> None:
    repeating().to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(AllianceStatsError, match=r"(?s)no REDCap data dictionary.*Hint: download it"):
        al.read_redcap(tmp_path / "data.csv", dictionary=tmp_path / "data.csv", form="session")


@pytest.mark.parametrize(("content", "message"), [(None, "There is no file"), ("", "is empty")])
def test_an_export_that_is_not_there_is_an_error(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "x.csv").write_text(content)
    with pytest.raises(AllianceStatsError, match=message):
        al.read_redcap(tmp_path / "x.csv", dictionary=dictionary(tmp_path), form="session")


@pytest.mark.parametrize("suffix", [".sav", ".dta", ".xlsx", ".csv"])
def test_reasons_survive_in_every_format(tmp_path: Path, suffix: str) -> None:
    frame = read(tmp_path, repeating())
    with warnings.catch_warnings():
        # Stata says that it leaves out the labels of codes in words that no answer has.
        warnings.simplefilter("ignore" if suffix == ".dta" else "error", AllianceStatsWarning)
        path = al.write_sessions(frame, tmp_path / f"out{suffix}")
    found = al.read_sessions(path, patient="patient")
    for column, reasons in {
        "wai1": [None, "not asked", "unknown", None],
        "dose": ["not shown", None, None, "not shown"],
    }.items():
        assert [None if pd.isna(cell) else cell for cell in al.missing_reasons(found, column)] == reasons
    np.testing.assert_array_equal(found["wai1"].to_numpy(dtype=float), frame["wai1"].to_numpy(dtype=float))
