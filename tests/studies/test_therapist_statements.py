"""The bundled study, run as a user runs it: on the sample and on two public data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import alliance_stats as al

# Reference fit of the AIPsychEval model: R 4.2.2, lme4 1.1-31, bobyqa with rhoend 1e-9 (README of the public data sets).
AIPSYCH = {
    "Intercept": (26.885649, 44.502888),
    "share_supportive_session": (49.683795, 26.068512),
    "share_controlling_session": (-107.933949, 23.833951),
    "share_supportive_dyad": (119.688564, 66.102742),
    "share_controlling_dyad": (17.745798, 50.820993),
    "session": (6.507368, 2.668377),
}
AIPSYCH_VARIANCES = {"dyad": 1041.5336, "patient": 837.1587, "therapist": 395.6610, "Residual": 1229.5475}


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "report"
    al.run_study("therapist-statements", out=out, progress=False)
    return out


@pytest.fixture(scope="module")
def aipsych_run(tmp_path_factory: pytest.TempPathFactory, shared_data: Callable[[str], Path]) -> Path:
    out = tmp_path_factory.mktemp("aipsych") / "report"
    data = shared_data("aipsych_eval")
    al.run_study("therapist-statements", data=data, columns="aipsych_eval", out=out, progress=False)
    return out


def table(run: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(run / "tables" / f"{name}.csv")


def test_the_sample_run_writes_report_notebook_and_tables(sample_run: Path) -> None:
    assert {path.name for path in sample_run.iterdir()} == {
        "report.html",
        "therapist-statements.ipynb",
        "run.json",
        "session_check.json",
        "tables",
    }
    report = (sample_run / "report.html").read_text("utf-8")
    assert "Simulated data" in report
    assert "What this does not show" in report
    assert report.count("data:image/png") == 5


def test_the_report_holds_a_methods_review_of_all_models(sample_run: Path) -> None:
    findings = table(sample_run, "methods-review")
    assert findings["model"].nunique() == 3
    assert set(findings["level"]) == {"caution", "fine"}
    own = findings.query("item == 'Trends handled in one way only'")
    assert own["evidence"].tolist() == ["Reviewed together: as rated, line taken out."] * 2
    assert "Methods review" in (sample_run / "report.html").read_text("utf-8")


def test_what_was_found_in_the_session_table_goes_with_the_report(sample_run: Path) -> None:
    found = json.loads((sample_run / "session_check.json").read_text(encoding="utf-8"))
    assert found["glance"]["n_patients"] == 600
    first = found["attrition"][0]
    assert (first["session"], first["n_seen"], first["n_remaining"], first["share_remaining"]) == (1, 600, 600, 1.0)
    assert 0 <= first["share_missing"] < 0.1
    assert {finding["rule"] for finding in found["findings"]} >= {"repeated rows", "gaps", "single session"}


def test_true_slopes_of_the_sample_lie_where_attenuation_puts_them(sample_run: Path) -> None:
    truth = table(sample_run, "truth").set_index(["predictor", "level"])
    statements = truth.loc[["share_supportive", "share_controlling"]]
    assert ((statements["conf_low"] < statements["true"]) & (statements["true"] < statements["conf_high"])).all()
    # The WAI-SR's alpha within patients is .81: a session slope of 1.5 on the alliance itself is about 1.2 on the score.
    session = truth.loc[("alliance", "session")]
    assert session["conf_low"] < 0.81 * session["true"] < session["conf_high"]


@pytest.mark.parametrize("term", AIPSYCH)
def test_statements_and_alliance_equal_the_reference_fit(term: str, aipsych_run: Path) -> None:
    row = table(aipsych_run, "statements-uncentred").set_index("term").loc[term]
    assert row["estimate"] == pytest.approx(AIPSYCH[term][0], rel=2e-7, abs=1e-6)
    assert row["std_error"] == pytest.approx(AIPSYCH[term][1], rel=1e-6)


def test_variances_and_criterion_equal_the_reference_fit(aipsych_run: Path) -> None:
    variances = table(aipsych_run, "statements-variances").set_index("group")["estimate"]
    for group, expected in AIPSYCH_VARIANCES.items():
        assert variances[group] == pytest.approx(expected, rel=1e-6)
    assert table(aipsych_run, "statements-fit")["criterion"].iloc[0] == pytest.approx(2832.254, abs=5e-4)


def test_the_report_says_that_published_totals_are_wrong_and_by_how_much(aipsych_run: Path) -> None:
    report = (aipsych_run / "report.html").read_text("utf-8")
    assert "172 of 277 published totals (62 %) differ from the scale&#x27;s key, by up to 12 points" in report.replace(
        "&#39;", "&#x27;"
    ).replace("scale's", "scale&#x27;s")
    assert "cannot show anything about people" in report


def test_single_conversations_run_the_other_form_and_say_how_little_they_show(
    tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    out = tmp_path / "report"
    al.run_study("therapist-statements", data=shared_data("esconv"), columns="esconv", out=out, progress=False)
    found = table(out, "associations").set_index(["predictor", "kind"])["estimate"]
    assert found["share_supportive", "spearman_change"] == pytest.approx(0.086, abs=5e-4)
    assert found["share_controlling", "spearman_change"] == pytest.approx(-0.025, abs=5e-4)
    findings = table(out, "methods-review").set_index("item")["level"]
    assert findings["One session taken for the alliance"] == "caution"
    assert findings["No control for the outcome before"] == "fine"
    report = (out / "report.html").read_text("utf-8")
    assert "looks filtered on its outcome" in report
    assert "Almost nothing about what helps" in report
    for name in ("esconv_conversations.csv", "failed_esconv_conversations.csv"):
        assert name in (out / "run.json").read_text("utf-8")


MAP = """
study = "therapist-statements"
level = "session"
title = "A ward"
simulated = true
source = "The bundled sample, changed for a test."
[[files]]
[columns]
patient = "patient"
session = "session"
{therapist}
[levels]
units = ["patient"]
[alliance]
instrument = "wai_sr"
items = "wai_{{}}"
score = "mean"
[outcome]
instrument = "ors"
items = "ors_{{}}"
score = "sum"
better = "higher"
[statements]
codebook = "helping_skills"
counts_pattern = "n_{{}}"
[random]
groups = {groups}
"""


@pytest.mark.parametrize("therapists", ["unknown", "changing"])
def test_the_study_runs_where_therapists_are_unknown_or_change(therapists: str, tmp_path: Path) -> None:
    sessions = al.load_sample("therapist_statements").query("patient <= 200")
    known = therapists == "changing"
    late = sessions["session"] > 4
    sessions["therapist"] = sessions["therapist"].where(~late, (sessions["patient"] + 7) % 60)
    (sessions if known else sessions.drop(columns="therapist")).to_csv(tmp_path / "ward.csv", index=False)
    text = MAP.format(
        therapist='therapist = "therapist"' if known else "",
        groups='["patient", "therapist"]' if known else '["patient"]',
    )
    (tmp_path / "ward.toml").write_text(text, encoding="utf-8")
    out = tmp_path / "report"
    al.run_study(
        "therapist-statements", data=tmp_path / "ward.csv", columns=tmp_path / "ward.toml", out=out, progress=False
    )
    levels = table(out, "alliance-outcome").query("predictor == 'alliance'")["level"]
    assert set(levels) == {"session", "patient", "contextual"}
    groups = set(table(out, "outcome-variances")["group"])
    assert groups == ({"patient", "treating_person", "Residual"} if known else {"patient", "Residual"})
