"""Sentences of real results: each says what it is about, and calls its number by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.report.numbers import decimals
from alliance_stats.result import Result


@cache
def sessions() -> pd.DataFrame:
    frame = al.load_sample("therapist_statements").query("patient <= 240")
    frame = al.score(al.score(frame, "wai_sr", items="wai_{}"), "ors", items="ors_{}")
    frame = frame.rename(columns={"wai_sr_mean": "wai", "ors_sum": "ors"})
    first = frame.groupby("patient")["ors"].transform("first")
    return frame.assign(arm=np.where(frame["patient"] % 2, "cbt", "ipt"), treated=frame["patient"] % 2, intake=first)


def outcome(**options: Any) -> Any:
    return al.alliance_outcome(sessions(), **{"alliance": "wai", "outcome": "ors", "lag": 1, "detrend": None} | options)


def gains() -> Any:
    return al.sudden_gains(sessions(), "ors", cutoff=2, criterion="gaynor", direction="higher_is_better")


def mediated(**options: Any) -> Any:
    roles = ("n_approval_reassurance", "wai", "ors")
    return al.mediation(sessions(), *roles, **{"design": "1-1-1", "lags": (1, 1), "slopes": ("a", "b")} | options)


MAKERS: dict[str, Callable[[], Any]] = {
    "LevelEffects": lambda: al.level_effects(sessions(), "ors", "wai", covariates=("session",)),
    "AllianceOutcome": outcome,
    "AllianceOutcomes": lambda: outcome(alliance=["wai_sr_task", "wai_sr_bond"]),
    "ContextualTest": lambda: al.contextual_test(outcome()),
    "EarlyResponse": lambda: al.early_response(sessions(), "ors", until=3),
    "Multiverse": lambda: al.alliance_multiverse(
        sessions(),
        question={"alliance": "wai", "outcome": "ors", "lag": 1},
        choices={"detrend": [None, "linear"]},
        progress=False,
    ),
    "TherapistEffects": lambda: al.therapist_effects(sessions(), "ors", covariates=["session"], caseload=["intake"]),
    "Growth": lambda: al.growth(sessions(), "ors", form="piecewise", break_at=4, by="arm"),
    "SuddenGains": gains,
    "GainContrast": lambda: al.around_gains(gains(), sessions(), column="wai"),
    "Ruptures": lambda: al.ruptures(sessions(), alliance="wai", criterion="own_sd_step", repair=1.0),
    "CriteriaOverlap": lambda: al.compare_rupture_criteria(sessions(), alliance="wai", repair=1.0),
    "Instability": lambda: al.instability(sessions(), "wai"),
    "Synchrony": lambda: al.synchrony(sessions(), ("wai", "ors"), window=4, lag_max=1, by="patient"),
    "Reciprocal": lambda: al.reciprocal(sessions(), "wai", "ors", waves=4, effects="by_session"),
    "Mediation": mediated,
}


@cache
def result(name: str) -> Result:
    made: Result = MAKERS[name]()
    assert type(made).__name__ == name
    return made


def lines(name: str) -> list[str]:
    return al.sentence(result(name)).splitlines()


EVERY = pytest.mark.parametrize("name", list(MAKERS))


@EVERY
@pytest.mark.filterwarnings("ignore::alliance_stats.AllianceStatsWarning")
def test_every_row_has_a_sentence_of_its_own(name: str) -> None:
    table = result(name).tidy()
    intercepts = int((table["term"] == "Intercept").sum()) if "term" in table else 0
    said = lines(name)
    assert len(said) == len(table) - intercepts
    subjects = [re.split(r": [^:]*? = ", line)[0] for line in said]
    assert len(set(subjects)) == len(subjects)


@EVERY
def test_every_sentence_holds_the_numbers_of_its_row(name: str) -> None:
    table = result(name).tidy()
    if "term" in table:
        table = table[table["term"] != "Intercept"]
    for line, row in zip(lines(name), table.to_dict("records"), strict=True):
        found = re.search(r" = (-?[\d.]+?)(%?)[,. ]*(?=[, ]|$)", line)
        assert found is not None
        shown = float(found.group(1)) / (100 if found.group(2) else 1)
        assert shown == pytest.approx(row["estimate"], abs=0.0051)
        assert ("% CI [" in line) == (pd.notna(row["conf_low"]) or pd.notna(row["conf_high"]))
        assert (" p = ." in line or " p < ." in line or " p > ." in line) == pd.notna(row.get("p_value", np.nan))
        assert ("SE = " in line) == pd.notna(row.get("std_error", np.nan))


# What a sentence begins with, and what its number is called.
SAID = [
    ("LevelEffects", r"wai_session \(session level, outcome ors\): b = .* SE = .*, t\([\d.]+\) = .*, p "),
    ("AllianceOutcome", r"wai_patient - wai_session_lag1 \(difference between levels, outcome ors\): b = "),
    (
        "AllianceOutcomes",
        r"ors, wai_sr_bond lag 1, not detrended, wai_sr_bond_patient \(patient level, outcome ors\): b = ",
    ),
    ("ContextualTest", r"wai_patient - wai_session_lag1 \(patient minus session level, outcome ors\): b = "),
    ("EarlyResponse", r"early_slope \(outcome ors\): b = "),
    ("Multiverse", r"specification 2, wai \(session level, detrend linear, outcome ors\): b = .*, df = [\d.]+, p "),
    (
        "TherapistEffects",
        r"with caseload, share of all variance \(profile interval, .*\): share = [\d.]+%, 95% CI \[[\d.]+%, ",
    ),
    ("TherapistEffects", r"without caseload, variance between therapists \(outcome ors\): variance = [\d.]+, n = \d+"),
    ("Growth", r"change from 1 to 4 \(within group, group cbt, phase before the break, outcome ors\): change = .* t\("),
    ("Growth", r"change from 4 to 20 \(between groups, group ipt minus cbt, phase after .*\): difference in change = "),
    ("Growth", r"mean at 4 \(mean, group ipt, outcome ors\): M = .*, df = "),
    ("Growth", r"mean at 4 \(between groups at one time, group ipt minus cbt, outcome ors\): mean difference = "),
    (
        "SuddenGains",
        r"patients_with_change \(gains, outcome ors\): share = [\d.]+%, 95% CI \[[\d.]+%, [\d.]+%\], n = \d+\.$",
    ),
    ("SuddenGains", r"score \(losses, session n-1, outcome ors\): M = .*, df = \d+, n = \d+\.$"),
    ("GainContrast", r"change \(gain, outcome wai\): M = "),
    ("GainContrast", r"change \(control, outcome wai\): M = "),
    ("GainContrast", r"change \(difference, outcome wai\): mean difference = .*, t\(\d+\) = .*, p "),
    ("GainContrast", r"score \(difference, session n\+1, outcome wai\): mean difference = "),
    ("Ruptures", r"onset \(session 3, outcome wai\): share = [\d.]+%, 95% CI \["),
    ("Ruptures", r"fall \(outcome wai\): M = .*, SE = .*, df = "),
    ("CriteriaOverlap", r"gumz_1sd with own_sd_step \(kappa, session level, outcome wai\): kappa = "),
    ("CriteriaOverlap", r"own_sd_step \(share, patient level, outcome wai\): share = [\d.]+%, n = "),
    ("Instability", r"rmssd \(outcome wai\): RMSSD = .*, df = \d+, n = \d+\.$"),
    ("Instability", r"mssd \(outcome wai\): MSSD = "),
    ("Instability", r"autocorrelation \(outcome wai\): r = "),
    ("Synchrony", r"z_at_lag \(lag -1, predictor wai, outcome ors\): Fisher's z = "),
    ("Synchrony", r"mean_z \(predictor wai, outcome ors\): Fisher's z = .* p .* \(shuffled windows\), n = "),
    ("Reciprocal", r"ri_clpm, wai_lag1 \(cross, session 3, outcome ors\): b = .*, z = .* \(normal approximation\)\.$"),
    ("Reciprocal", r"multilevel, wai_lag1 / \(1 - ors_lag1\) \(long run, outcome ors\): long-run effect = .*, z = "),
    ("Reciprocal", r"dynamic_panel, ors_lag1 \(autoregression, session 2, outcome ors\): b = "),
    (
        "Mediation",
        r"indirect \(effect, session level, predictor n_approval_reassurance, outcome ors\): indirect effect = ",
    ),
    ("Mediation", r"total \(effect, .*\): total effect = .* \(interval of the distribution of the product\)\.$"),
    (
        "Mediation",
        r"b \(path, session level, predictor wai, outcome ors\): b = .*, z = .*, p .* \(normal approximation\)\.$",
    ),
    ("Mediation", r"cov_ab \(covariance, .*\): covariance = .*, z = "),
]


@pytest.mark.parametrize(("name", "begins"), SAID)
def test_a_sentence_says_what_it_is_about_and_calls_its_number_by_its_name(name: str, begins: str) -> None:
    found = [line for line in lines(name) if re.match(begins, line)]
    assert len(found) == 1


def test_only_slopes_are_called_b() -> None:
    slopes = {"LevelEffects", "AllianceOutcome", "AllianceOutcomes", "ContextualTest", "EarlyResponse", "Multiverse"}
    for name in set(MAKERS) - slopes - {"Reciprocal", "Mediation"}:
        assert not any(re.search(r"\bb = ", line) for line in lines(name))
    for name in slopes:
        assert all(": b = " in line for line in lines(name))


def test_the_interval_of_an_indirect_effect_is_named() -> None:
    drawn = mediated(slopes=()).monte_carlo(2000, seed=1)
    assert al.sentence(drawn, "indirect").endswith("(Monte Carlo interval).")


def test_a_predictor_with_letters_of_a_term_is_named_all_the_same() -> None:
    frame = sessions().rename(columns={"treated": "t"})
    made = al.mediation(frame, "t", "wai", "ors", design="2-1-1", lags=(1,), slopes=())
    assert al.sentence(made, "total").startswith("total (effect, patient level, predictor t, outcome ors): ")
    assert al.sentence(made, "b_within").startswith("b_within (path, session level, predictor wai, outcome ors): b = ")


@pytest.mark.parametrize(
    ("spread", "least", "expected"),
    [(0.3, 2, 2), (0.01, 2, 2), (0.0099, 2, 4), (0.00047, 2, 5), (0.0, 2, 2), (float("nan"), 2, 2), (0.04, 1, 3)],
)
def test_decimals_show_two_digits_of_a_spread_that_fewer_would_hide(spread: float, least: int, expected: int) -> None:
    assert decimals(spread, least=least) == expected


def test_a_table_calls_only_slopes_b() -> None:
    assert "| *b* |" in al.table(result("EarlyResponse")).to_markdown()
    for name in ("Instability", "Ruptures", "GainContrast", "SuddenGains"):
        printed = al.table(result(name)).to_markdown()
        assert "*b*" not in printed
        assert "| Estimate |" in printed
