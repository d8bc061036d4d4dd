"""How much therapists differ: golden values of lme4, theorems, invariances, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError, ModelError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.expected_rank import expected_ranks
from alliance_stats.process.therapist_effects import TherapistEffects, therapist_effects
from alliance_stats.process.therapist_tables import ALL, MEANS, PATIENTS, SLOPES, patients_needed
from alliance_stats.process.variance_share import ShareKind, share_limits, variance_share
from alliance_stats.result import COLUMNS

GOLDEN = Path(__file__).parents[1] / "golden"
GOLD: dict[str, Any] = json.loads((GOLDEN / "therapist_effects.json").read_text())
RTOL = 2e-6  # lme4 stops at about 1e-7 of theta; a limit of a share moves half as much
SHARES = {"all": ALL, "means": MEANS, "patients": PATIENTS}


def golden_sessions() -> pd.DataFrame:
    frame = pd.read_csv(GOLDEN / "data" / "alliance_sessions.csv")
    return frame.assign(intake=frame.groupby("patient")["distress"].transform("first"))


def simulated(seed: int = 3, *, between: float = 2.0, n_therapists: int = 20, n_sessions: int = 4) -> pd.DataFrame:
    """Return patients of therapists with a known variance between therapists; 2 to 9 patients each."""
    rng = np.random.default_rng(seed)
    therapist = np.repeat(np.arange(n_therapists), rng.integers(2, 10, n_therapists))
    severity = rng.normal(size=therapist.size)
    level = (
        20
        + np.sqrt(between) * rng.normal(size=n_therapists)[therapist]
        + 2 * rng.normal(size=therapist.size)
        + severity
    )
    patient = np.repeat(np.arange(therapist.size), n_sessions)
    session = np.tile(np.arange(1, n_sessions + 1), therapist.size)
    return pd.DataFrame(
        {
            "patient": [f"p{i}" for i in patient],
            "therapist": [f"t{j}" for j in therapist[patient]],
            "session": session,
            "severity": severity[patient],
            "distress": level[patient] - 0.5 * session + 1.5 * rng.normal(size=patient.size),
        }
    )


def share(
    result: TherapistEffects, name: str, model: str = "without caseload", kind: str = "profile"
) -> pd.Series[Any]:
    table = result.tidy()
    return table[(table["term"] == name) & (table["model"] == model) & (table["kind"] == kind)].iloc[0]


@pytest.fixture(scope="module")
def golden() -> TherapistEffects:
    return therapist_effects(golden_sessions(), "distress", covariates=["session"], caseload="intake")


@pytest.fixture(scope="module")
def study() -> TherapistEffects:
    return therapist_effects(simulated(), "distress", covariates=["session"], caseload=["severity"])


@pytest.mark.parametrize(("case", "model"), [("sessions", "without caseload"), ("sessions_intake", "with caseload")])
@pytest.mark.parametrize("name", SHARES)
def test_shares_and_their_profile_limits_are_those_of_lme4(
    golden: TherapistEffects, case: str, model: str, name: str
) -> None:
    row, gold = share(golden, SHARES[name], model), GOLD[case][name]
    for ours, theirs in (("estimate", "estimate"), ("conf_low", "low"), ("conf_high", "high")):
        assert row[ours] == pytest.approx(gold[theirs], rel=RTOL, abs=1e-9)


def test_shrunken_estimates_and_expected_ranks_are_those_of_lme4(golden: TherapistEffects) -> None:
    table = golden.estimates(labels=True)
    table = table[table["model"] == "without caseload"].set_index("therapist")
    gold = pd.DataFrame(GOLD["sessions"]["levels"]).set_index("label")
    for name in ("estimate", "std_error", "expected_rank"):
        np.testing.assert_allclose(table.loc[gold.index, name], gold[name], rtol=1e-5, atol=1e-6)


def test_one_row_per_patient_gives_the_one_way_share_of_lme4() -> None:
    frame = pd.read_csv(GOLDEN / "data" / "alliance_clinics.csv").rename(
        columns={"therapist": "other", "clinic": "therapist"}
    )
    frame["patient"] = range(len(frame))
    result = therapist_effects(frame, "outcome", covariates=["alliance"])
    row, gold = share(result, ALL), GOLD["clinics"]["all"]
    assert [row["estimate"], row["conf_low"], row["conf_high"]] == pytest.approx(list(gold.values()), rel=RTOL)
    assert result.tidy()["term"].tolist() == [ALL, "variance between therapists"]
    assert share(result, "variance between therapists", kind="estimate")["estimate"] == pytest.approx(
        GOLD["clinics"]["variance"], rel=RTOL
    )


def test_shares_are_ratios_of_the_variance_components(study: TherapistEffects) -> None:
    table = study.fits["with caseload"].variance_components().set_index("group")["estimate"]
    therapist, patient, residual = table["therapist"], table["patient"], table["Residual"]
    expected = {ALL: residual, MEANS: residual / 4, PATIENTS: 0.0}
    for name, rest in expected.items():
        value = share(study, name, "with caseload")["estimate"]
        assert value == pytest.approx(therapist / (therapist + patient + rest), rel=1e-10)


def test_the_caseload_explains_what_it_takes_from_the_variance(study: TherapistEffects) -> None:
    table = study.tidy()
    variances = table.loc[table["term"] == "variance between therapists", "estimate"].tolist()
    explained = table.loc[table["term"] == "variance explained by caseload", "estimate"].iloc[0]
    assert explained == pytest.approx(1 - variances[1] / variances[0])


def test_both_models_use_the_same_rows() -> None:
    frame = simulated()
    frame.loc[frame.index[:7], "severity"] = np.nan
    result = therapist_effects(frame, "distress", caseload=["severity"])
    assert {fit.n_obs for fit in result.fits.values()} == {len(frame) - 7}
    assert any("7 without severity" in note for note in result.notes)


def test_a_limit_is_where_the_likelihood_ratio_test_rejects() -> None:
    frame = simulated().drop_duplicates("patient")
    fit = lmm("distress ~ 1 + (1 | therapist)", frame)
    kind = ShareKind(ALL, "Intercept", 1.0)
    found = share_limits(fit, kind, group="therapist", within=None, level=0.90)
    for rho in (found.low, found.high):
        excess = fit.deviance_at(np.sqrt([rho / (1 - rho)])) - fit.criterion
        assert excess == pytest.approx(1.6448536269514722**2, rel=1e-5)
    assert found.low < variance_share(fit, kind, group="therapist", within=None) < found.high


def test_reliability_of_a_therapist_is_the_formula_for_one_row_per_patient() -> None:
    result = therapist_effects(simulated().drop_duplicates("patient"), "distress")
    table = result.fits["without caseload"].variance_components()["estimate"].to_numpy()
    own = result.estimates()
    np.testing.assert_allclose(own["reliability"], table[0] / (table[0] + table[1] / own["n"]), rtol=1e-8)


def test_reliability_by_caseload_follows_the_share_and_its_limits(study: TherapistEffects) -> None:
    table = study.tidy("reliability")
    own = table[(table["kind"] == "reliability") & (table["model"] == "with caseload")].set_index("n_patients")
    row = share(study, MEANS, "with caseload")
    for name in ("estimate", "conf_low", "conf_high"):
        assert own.loc[20, name] == pytest.approx(20 * row[name] / (1 + 19 * row[name]))
    assert own["estimate"].is_monotonic_increasing


@pytest.mark.parametrize("target", [0.7, 0.8])
def test_the_patients_needed_reach_the_target_and_one_less_does_not(study: TherapistEffects, target: float) -> None:
    table = study.tidy("reliability")
    row = table[(table["target"] == target) & (table["model"] == "with caseload")].iloc[0]
    rho = share(study, MEANS, "with caseload")["estimate"]
    n = row["estimate"]
    assert n * rho / (1 + (n - 1) * rho) >= target > (n - 1) * rho / (1 + (n - 2) * rho)
    assert row["conf_low"] <= n <= row["conf_high"]


def test_no_number_of_patients_suffices_when_therapists_do_not_differ() -> None:
    assert patients_needed(0.0, 0.8) == np.inf
    assert patients_needed(0.5, 0.7) == 3


def test_expected_ranks_add_up_and_shrink_to_the_middle_with_error() -> None:
    effects, small = np.array([0.3, -1.0, 2.0, 0.5]), np.full(4, 1e-9)
    np.testing.assert_allclose(expected_ranks(effects, small), [2, 1, 4, 3])
    wide = expected_ranks(effects, np.full(4, 5.0))
    assert wide.sum() == pytest.approx(10)
    assert np.abs(wide - 2.5).max() < 0.6
    np.testing.assert_allclose(expected_ranks(np.zeros(3), np.zeros(3)), 2.0)


def test_expected_ranks_are_means_of_ranks_of_draws() -> None:
    rng = np.random.default_rng(5)
    effects, errors = np.array([0.0, 0.4, 1.5]), np.array([0.5, 0.2, 1.0])
    draws = effects + errors * rng.standard_normal((40_000, 3))
    mean = draws.argsort(axis=1).argsort(axis=1).mean(axis=0) + 1
    np.testing.assert_allclose(expected_ranks(effects, errors), mean, atol=0.015)


@pytest.mark.parametrize(("direction", "sign"), [(None, 1), ("higher_is_worse", 1), ("higher_is_better", -1)])
def test_rank_one_is_the_best_in_the_direction_given(direction: Any, sign: int) -> None:
    table = therapist_effects(simulated(), "distress", direction=direction).estimates()
    assert (sign * table["estimate"]).is_monotonic_increasing
    assert (sign * table["expected_rank"].to_numpy()[[0, -1]] * sign < [5, 99]).all()
    assert table["level"].tolist() == list(range(1, 21))


@pytest.mark.parametrize(("direction", "sign"), [(None, 1), ("higher_is_worse", -1), ("higher_is_better", 1)])
def test_a_percentile_rises_to_the_best_therapist_or_to_the_highest_values(direction: Any, sign: int) -> None:
    result = therapist_effects(simulated(), "distress", direction=direction)
    table = result.estimates().sort_values("estimate")
    # The mean chance that another therapist, or oneself by half, lies lower.
    lower = 100 * (expected_ranks(table["estimate"].to_numpy(), table["std_error"].to_numpy()) - 0.5) / 20
    np.testing.assert_allclose(table["percentile"], lower if sign == 1 else 100 - lower)
    best = table.loc[table["expected_rank"].idxmin(), "percentile"]
    assert best > 90 if direction else best < 10
    share = "do less well" if direction else "have lower values"
    assert any(f"A percentile is the per cent of therapists expected to {share}." in note for note in result.notes)


def test_ids_are_shown_on_request_only(study: TherapistEffects) -> None:
    frame = simulated()
    shown = " ".join(
        [study.to_markdown(), repr(study), study._repr_html_(), str(study.to_dict()), study.estimates().to_csv()]
    )
    assert not any(f"{label}," in shown or f"'{label}'" in shown for label in frame["therapist"].unique())
    table = study.estimates(labels=True)
    assert set(table["therapist"]) == set(frame["therapist"])
    means = frame.groupby("therapist")["distress"].mean()
    first = table[table["model"] == "without caseload"].set_index("therapist")["estimate"]
    assert first.corr(means.loc[first.index]) > 0.8


def test_the_slope_may_differ_between_therapists() -> None:
    result = therapist_effects(golden_sessions(), "distress", slope="session")
    assert SLOPES in result.tidy()["term"].tolist()
    frame = golden_sessions().assign(middle=lambda d: d["session"] - d["session"].mean())
    fit = lmm("distress ~ session + (1 + middle | patient) + (1 + middle | therapist)", frame)
    table = fit.variance_components().set_index(["group", "term", "kind"])["estimate"]
    slopes = [table[group, "middle", "variance"] for group in ("therapist", "patient")]
    row = share(result, SLOPES)
    assert row["estimate"] == pytest.approx(slopes[0] / sum(slopes), rel=1e-6)
    assert 0 < row["conf_low"] < row["estimate"] < row["conf_high"] < 1
    assert set(result.estimates()["term"]) == {"mean", "slope of session"}


def test_a_share_of_slopes_is_profiled_over_everything_else() -> None:
    # At any values of the other parameters the criterion is no lower than the profile: the limit excludes them all.
    fit = lmm(
        "distress ~ session + (1 + session | patient) + (1 + session | therapist)",
        golden_sessions().assign(session=lambda d: d["session"] - 4),
    )
    kind = ShareKind(SLOPES, "session", 0.0)
    found = share_limits(fit, kind, group="therapist", within="patient", level=0.95)
    rng = np.random.default_rng(2)
    for _ in range(200):
        theta = fit.theta * (1 + 0.15 * rng.standard_normal(fit.theta.size))
        patient, therapist = theta[1] ** 2 + theta[2] ** 2, theta[4] ** 2 + theta[5] ** 2
        if not found.low < therapist / (patient + therapist) < found.high:
            assert fit.deviance_at(theta) - fit.criterion > 3.8414588 - 1e-6


def test_bootstrap_intervals_stand_beside_the_profiles(study: TherapistEffects) -> None:
    drawn = study.bootstrap(60, seed=4, progress=False)
    row, profile = share(drawn, ALL, kind="bootstrap"), share(drawn, ALL)
    assert row["estimate"] == pytest.approx(profile["estimate"])
    assert abs(row["conf_high"] - profile["conf_high"]) < 0.15
    again = drawn.bootstrap(60, seed=4, progress=False, n_jobs=1)
    pd.testing.assert_frame_equal(again.tidy(), drawn.tidy())
    assert sum(note.startswith("Bootstrap:") for note in again.notes) == 1
    assert "bootstrap" not in set(study.tidy()["kind"])


def test_order_of_rows_and_names_of_people_change_nothing(study: TherapistEffects) -> None:
    frame = simulated()
    names = {name: 1000 - k for k, name in enumerate(frame["therapist"].unique())}
    other = frame.assign(therapist=frame["therapist"].map(names), patient="x" + frame["patient"]).sample(
        frac=1, random_state=1
    )
    again = therapist_effects(other, "distress", covariates=["session"], caseload=["severity"])
    for part in ("shares", "estimates", "reliability"):
        pd.testing.assert_frame_equal(again.tidy(part), study.tidy(part), rtol=1e-5, atol=1e-6)


def test_a_share_of_slopes_does_not_depend_on_units() -> None:
    formula = "distress ~ time + (1 + time | patient) + (1 + time | therapist)"
    kind, limits = ShareKind(SLOPES, "time", 0.0), []
    for points, unit in ((1.0, 1.0), (100.0, 1 / 365)):
        frame = golden_sessions().assign(time=lambda d, u=unit: u * (d["session"] - 4))
        fit = lmm(formula, frame.assign(distress=points * frame["distress"] - 7))
        found = share_limits(fit, kind, group="therapist", within="patient", level=0.95)
        limits.append([found.low, variance_share(fit, kind, group="therapist", within="patient"), found.high])
    np.testing.assert_allclose(limits[0], limits[1], rtol=1e-5)


def test_a_known_variance_between_therapists_is_recovered() -> None:
    kind, found = ShareKind(ALL, "Intercept", 1.0), []
    for seed in range(30):
        frame = simulated(seed).drop_duplicates("patient")
        fit = lmm("distress ~ severity + (1 | therapist)", frame)
        limits = share_limits(fit, kind, group="therapist", within=None, level=0.95)
        estimate = variance_share(fit, kind, group="therapist", within=None)
        found.append((estimate, limits.low <= 2 / 8.25 <= limits.high))
    estimates, covered = np.array(found).T
    assert abs(estimates.mean() - 2 / 8.25) < 3 * estimates.std() / np.sqrt(30)
    assert covered.mean() >= 0.83


def test_no_variance_between_therapists_is_said() -> None:
    frame = golden_sessions()
    result = therapist_effects(frame, "distress", covariates=["session"], caseload=["intake"], level=0.8)
    row = share(result, ALL, "with caseload")
    assert (row["estimate"], row["conf_low"], row["conf_level"]) == (0.0, 0.0, 0.8)
    own = result.estimates().query("model == 'with caseload'")
    assert (own["estimate"] == 0).all()
    assert (own["expected_rank"] == 6.5).all()
    assert any("Model with caseload: the variance between therapists is estimated at zero." in t for t in result.notes)
    assert result.glance()["singular"].iloc[0]


def test_counts_and_few_therapists_are_noted(study: TherapistEffects) -> None:
    text = " ".join(study.notes)
    assert "rests on 19 degrees of freedom" in text
    assert "would be 32%" in text
    assert study.tidy()["n"].eq(20).all()
    assert study.estimates()["n"].sum() == 2 * simulated()["patient"].nunique()


def test_patients_of_several_therapists_are_counted() -> None:
    frame = simulated()
    frame.loc[[1, 9], "therapist"] = "t19"
    assert any(
        "2 patients belong to more than one therapist" in note for note in therapist_effects(frame, "distress").notes
    )


def test_tables_begin_with_the_columns_of_the_vocabulary(study: TherapistEffects) -> None:
    for part in ("shares", "estimates", "reliability"):
        names = [name for name in study.tidy(part).columns if name in COLUMNS]
        assert names == [name for name in COLUMNS if name in names]
        assert list(study.tidy(part).columns[: len(names)]) == names


ONE_EACH = {"patient": lambda d: d["therapist"], "therapist": lambda d: d["therapist"]}
BAD: list[tuple[str, Any, dict[str, Any], type[Exception], str]] = [
    (
        "one therapist",
        lambda d: d.assign(therapist="t1"),
        {},
        DataError,
        "one therapist in the .* rows(?s:.*)two or more",
    ),
    (
        "one patient each",
        lambda d: d.drop_duplicates(["therapist", "session"]).assign(**ONE_EACH),
        {},
        DataError,
        "one patient: therapists(?s:.*)two or more patients",
    ),
    (
        "no variation",
        lambda d: d.assign(distress=3.0),
        {},
        DataError,
        "'distress' is the same in all(?s:.*)check the column",
    ),
    (
        "slope",
        lambda d: d.drop_duplicates("patient"),
        {"slope": "session"},
        DataError,
        "has one row(?s:.*)leave slope= out",
    ),
    ("two roles", lambda d: d, {"caseload": ["distress"]}, DataError, "'distress' has two roles(?s:.*)once"),
    ("twice", lambda d: d, {"caseload": ["severity"], "covariates": "severity"}, DataError, "'severity' has two roles"),
    (
        "ids",
        lambda d: d.assign(site=1),
        {"caseload": ["site"]},
        DataError,
        "'site' groups the rows(?s:.*)random effects",
    ),
    ("no column", lambda d: d.drop(columns="therapist"), {}, ColumnError, "No column 'therapist'"),
    ("direction", lambda d: d, {"direction": "up"}, DataError, "No direction 'up'"),
    ("level", lambda d: d, {"level": 95}, ModelError, "between 0 and 1, not at 95"),
    ("text", lambda d: d.assign(distress="low"), {}, ColumnError, "'distress' should hold numbers"),
]


@pytest.mark.parametrize(
    ("change", "options", "error", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input_is_named_with_its_remedy(
    change: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        therapist_effects(change(simulated()), "distress", **options)


def test_an_unknown_part_is_named(study: TherapistEffects) -> None:
    with pytest.raises(DataError, match="No part 'ranks'"):
        study.tidy("ranks")  # type: ignore[arg-type]
