"""Bootstrap draws: against lme4's, against theory, against refits from scratch; reproducible in every order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats import lmm
from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.inference import replicates
from alliance_stats.inference.bootstrap import Bootstrap, case_bootstrap, parametric_bootstrap
from alliance_stats.inference.new_outcome import draw_outcome, prepare_fit, refit_outcome
from alliance_stats.inference.parameter_table import parameter_table, parameter_values
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SECRET = "ZZ-secret-"
CASES: dict[str, tuple[str, str, str | None]] = {
    "one factor": ("sleepstudy", "Reaction ~ Days + (1 + Days | Subject)", None),
    "nested": ("alliance_sessions", "distress ~ session * arm + (1 + session | patient) + (1 | therapist)", None),
    "weighted": ("alliance_sessions", "distress ~ session + (1 + session || patient) + (1 | therapist)", "weight"),
    "crossed": ("alliance_raters", "rating ~ occasion + (1 + occasion | patient) + (1 | rater)", None),
    "three crossed": ("alliance_raters", "rating ~ 1 + (1 | patient) + (1 | rater) + (1 | therapist)", "minutes"),
    "no intercept": ("alliance_sessions", "distress ~ 0 + arm + session + (1 | patient)", None),
    "singular": ("alliance_sessions", "distress ~ session + (1 + session | patient) + (1 + session | therapist)", None),
}


def data(name: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / f"{name}.csv")


def fitted(case: str) -> LmmFit:
    name, formula, weights = CASES[case]
    return lmm(formula, data(name), weights=weights)


@pytest.fixture(scope="module")
def sessions_fit() -> LmmFit:
    return lmm("distress ~ session + alliance + (1 | patient) + (1 | therapist)", data("alliance_sessions"))


@pytest.fixture(scope="module")
def draws(sessions_fit: LmmFit) -> Bootstrap:
    return parametric_bootstrap(sessions_fit, 600, seed=11, progress=False)


def r_name(row: Any) -> str:
    """Return a parameter's name as the R script writes it."""
    term, term2 = (name.replace("Intercept", "(Intercept)").replace("[T.", "").replace("]", "") for name in row[1:3])
    parts = {"fixed": [term], "sd": [row[0], term], "correlation": [row[0], term, term2], "residual_sd": []}[row[3]]
    return "|".join([row[3], *parts])


@pytest.mark.parametrize("case", CASES)
def test_a_refit_on_prepared_cross_products_is_the_refit_from_scratch(case: str) -> None:
    fit = fitted(case)
    prepared = prepare_fit(fit)
    for seed in range(4):
        y = draw_outcome(prepared, np.random.default_rng(seed))
        found, expected = refit_outcome(prepared, y), fit.refit(y)
        assert found.criterion == pytest.approx(expected.criterion, abs=1e-7)
        ours, theirs = parameter_values(found), parameter_values(expected)
        scale = np.maximum(np.abs(theirs), np.nanmax(np.abs(theirs)) * 1e-3)
        assert np.nanmax(np.abs(ours - theirs) / scale) < 1e-4
        assert found.singular == expected.singular


@pytest.mark.parametrize("case", ["one factor", "nested", "crossed", "weighted"])
def test_drawn_outcomes_have_the_mean_and_covariance_of_the_model(case: str) -> None:
    fit = fitted(case)
    prepared = prepare_fit(fit)
    rng = np.random.default_rng(5)
    rows = np.r_[0:12]
    drawn = np.stack([draw_outcome(prepared, rng)[rows] for _ in range(4000)])
    covariance = np.diag(fit.sigma**2 / (np.ones(12) if fit.design.weights is None else fit.design.weights[rows]))
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        z = np.column_stack([np.ones(12) if c is None else c[rows] for c in term.columns])
        same = term.grouping.codes[rows][:, None] == term.grouping.codes[rows]
        covariance += fit.sigma**2 * (z @ factor @ factor.T @ z.T) * same
    sd = np.sqrt(np.diagonal(covariance))
    mean = fit.predict(random=False).to_numpy()[rows]
    assert np.max(np.abs(drawn.mean(axis=0) - mean) / sd) < 4.5 / np.sqrt(4000)
    correlations = np.cov(drawn.T) / np.outer(sd, sd)
    assert np.max(np.abs(correlations - covariance / np.outer(sd, sd))) < 4.5 * np.sqrt(2 / 4000)


@pytest.mark.parametrize("case", ["orthodont", "sessions"])
def test_spread_and_centre_of_the_draws_are_those_of_lme4(case: str) -> None:
    gold = json.loads((GOLDEN / "bootstrap.json").read_text())[case]
    fit = lmm(gold["formula"], data(gold["source"].split("/")[1].split(".")[0]))
    n = 400
    table = parametric_bootstrap(fit, n, seed=3, progress=False).tidy()
    names = [r_name(row) for row in parameter_table(fit).itertuples(index=False)]
    order = [names.index(name) for name in gold["parameter"]]
    found = table.iloc[order]
    estimate, sd, sd_error = (np.array(gold[key]) for key in ("estimate", "sd", "sd_error"))
    np.testing.assert_allclose(found["estimate"], estimate, rtol=1e-3)
    # lme4's Monte Carlo error comes from 2,000 draws, ours from 400; four standard errors of the difference.
    ours = sd_error * np.sqrt(gold["n"] / n)
    assert np.all(np.abs(found["std_error"] - sd) < 4 * np.hypot(sd_error, ours))
    shift = np.abs(found["estimate"] + found["bias"] - np.array(gold["mean"]))
    assert np.all(shift < 4 * sd * np.sqrt(1 / n + 1 / gold["n"]))


def test_fixed_effects_vary_as_the_model_says(sessions_fit: LmmFit, draws: Bootstrap) -> None:
    model = np.sqrt(np.diagonal(sessions_fit.fixed_covariance))
    found = draws.tidy()["std_error"].to_numpy()[: model.size]
    np.testing.assert_allclose(found, model, rtol=4 / np.sqrt(2 * 600))


def test_the_residual_variance_is_unbiased_under_reml(sessions_fit: LmmFit, draws: Bootstrap) -> None:
    variance = draws.draws[:, -1] ** 2
    error = variance.std() / np.sqrt(variance.size)
    assert abs(variance.mean() - sessions_fit.sigma**2) < 4 * error


@pytest.mark.parametrize("n_jobs", [2, 4])
@pytest.mark.parametrize("bootstrap", [parametric_bootstrap, case_bootstrap])
def test_the_number_of_workers_does_not_matter(bootstrap: Any, n_jobs: int, sessions_fit: LmmFit) -> None:
    alone = bootstrap(sessions_fit, 20, seed=5, progress=False)
    together = bootstrap(sessions_fit, 20, seed=5, n_jobs=n_jobs, progress=False)
    assert np.array_equal(alone.draws, together.draws)


@pytest.mark.parametrize("bootstrap", [parametric_bootstrap, case_bootstrap])
def test_neither_row_order_nor_the_type_of_ids_matters(bootstrap: Any, sessions_fit: LmmFit) -> None:
    frame = data("alliance_sessions").sample(frac=1, random_state=3)
    frame["patient"] = pd.factorize(frame["patient"])[0] * 7 + 1
    frame["therapist"] = pd.Categorical(frame["therapist"], categories=sorted(set(frame["therapist"]))[::-1])
    other = lmm(sessions_fit.formula, frame)
    expected = bootstrap(sessions_fit, 10, seed=5, progress=False).draws
    np.testing.assert_allclose(bootstrap(other, 10, seed=5, progress=False).draws, expected, rtol=1e-5)


def test_another_seed_gives_other_draws_and_more_replicates_begin_alike(sessions_fit: LmmFit) -> None:
    first = parametric_bootstrap(sessions_fit, 10, seed=1, progress=False).draws
    longer = parametric_bootstrap(sessions_fit, 15, seed=1, progress=False).draws
    other = parametric_bootstrap(sessions_fit, 10, seed=2, progress=False).draws
    assert np.array_equal(first, longer[:10])
    assert not np.any(first == other)


def test_a_seed_sequence_can_be_used_twice(sessions_fit: LmmFit) -> None:
    seed = np.random.SeedSequence(8).spawn(2)[1]
    first, again = (parametric_bootstrap(sessions_fit, 5, seed=seed, progress=False).draws for _ in range(2))
    assert np.array_equal(first, again)


def test_units_of_the_outcome_carry_over_to_draws(sessions_fit: LmmFit) -> None:
    frame = data("alliance_sessions").assign(distress=lambda d: 10 * d["distress"] + 3)
    expected = parametric_bootstrap(sessions_fit, 8, seed=4, progress=False)
    found = parametric_bootstrap(lmm(sessions_fit.formula, frame), 8, seed=4, progress=False)
    intercept = np.array([3.0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(found.draws, 10 * expected.draws + intercept, rtol=1e-5)


def test_a_statistic_takes_the_place_of_the_parameters(sessions_fit: LmmFit) -> None:
    def share(fit: LmmFit) -> dict[str, float]:
        return {"sigma": fit.sigma, "therapists": float(fit.glance()["icc_therapist"].iloc[0])}

    found = parametric_bootstrap(sessions_fit, 12, seed=5, statistic=share, progress=False)
    whole = parametric_bootstrap(sessions_fit, 12, seed=5, progress=False)
    np.testing.assert_array_equal(found.draws[:, 0], whole.draws[:, -1])
    assert found.tidy()["term"].tolist() == ["sigma", "therapists"]
    assert found.tidy()["kind"].tolist() == ["statistic", "statistic"]
    assert found.estimate[1] == pytest.approx(share(sessions_fit)["therapists"])
    patients, therapists, residual = (whole.draws[:, k] ** 2 for k in (3, 4, 5))
    np.testing.assert_allclose(found.draws[:, 1], therapists / (patients + therapists + residual), rtol=1e-6)


def test_a_statistic_may_be_a_series(sessions_fit: LmmFit) -> None:
    found = parametric_bootstrap(sessions_fit, 5, seed=5, statistic=lambda fit: fit.fixed_effects, progress=False)
    whole = parametric_bootstrap(sessions_fit, 5, seed=5, progress=False)
    np.testing.assert_array_equal(found.draws, whole.draws[:, :3])


def test_parameters_are_listed_with_their_estimates(draws: Bootstrap) -> None:
    table = draws.tidy()
    assert list(table[["group", "term", "term2", "kind"]].itertuples(index=False, name=None)) == [
        ("", "Intercept", "", "fixed"),
        ("", "session", "", "fixed"),
        ("", "alliance", "", "fixed"),
        ("patient", "Intercept", "", "sd"),
        ("therapist", "Intercept", "", "sd"),
        ("Residual", "", "", "residual_sd"),
    ]
    components = draws.fit.variance_components()
    np.testing.assert_allclose(table["estimate"][3:], components["sd"], rtol=1e-10)
    np.testing.assert_allclose(table["bias"], draws.draws.mean(axis=0) - table["estimate"])
    np.testing.assert_allclose(table["std_error"], draws.draws.std(axis=0, ddof=1))
    assert (table["n"] == 600).all()


def test_correlations_come_in_the_order_of_the_variance_components() -> None:
    fit = lmm("distress ~ phase + (1 + session + alliance | patient)", data("alliance_sessions"))
    table, components = parameter_table(fit), fit.variance_components()
    ours = table.assign(value=parameter_values(fit)).query("kind == 'correlation'")
    theirs = components.query("kind == 'covariance'")
    assert ours[["term", "term2"]].to_numpy().tolist() == theirs[["term", "term2"]].to_numpy().tolist()
    np.testing.assert_allclose(ours["value"], theirs["correlation"])


def test_singular_refits_are_counted_and_kept_and_undefined_correlations_left_out() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"patient": np.repeat(np.arange(30), 6), "session": np.tile(np.arange(6.0), 30)})
    frame["distress"] = rng.normal(size=180) + np.repeat(0.1 * rng.normal(size=30), 6)
    found = parametric_bootstrap(lmm("distress ~ session + (1 + session | patient)", frame), 30, seed=1, progress=False)
    row = found.parameters.query("kind == 'correlation'").index[0]
    undefined = int(np.isnan(found.draws[:, row]).sum())
    assert found.n_singular > undefined > 0
    assert found.n_failed == 0
    assert found.tidy()["n"][row] == 30 - undefined
    assert any(f"undefined in {undefined} replicates" in note for note in found.notes)
    assert any(f"{found.n_singular} are singular" in note for note in found.notes)


def test_failed_refits_are_counted_and_said() -> None:
    frame = data("alliance_sessions")
    first = sorted(set(frame["therapist"]))[:3]
    frame["trained"] = frame["therapist"].isin(first).astype(float)
    fit = lmm("distress ~ session + trained + (1 | patient) + (1 | therapist)", frame)
    found = case_bootstrap(fit, 60, seed=2, progress=False)
    lost = np.isnan(found.draws).all(axis=1)
    assert found.n_failed == lost.sum() > 0
    assert f"{found.n_failed} of 60 refits failed and are left out" in " ".join(found.notes)
    assert found.glance()["n_failed"].iloc[0] == found.n_failed
    assert (found.tidy()["n"] == 60 - found.n_failed).all()


def test_too_many_failed_refits_are_an_error() -> None:
    frame = data("alliance_sessions")
    frame["trained"] = (frame["therapist"] == sorted(set(frame["therapist"]))[0]).astype(float)
    fit = lmm("distress ~ session + trained + (1 | patient) + (1 | therapist)", frame)
    with pytest.raises(ConvergenceError, match=r"of 60 refits failed(.|\n)*Hint: .*drop predictors"):
        case_bootstrap(fit, 60, seed=2, progress=False)


def test_an_interrupt_ends_the_work(sessions_fit: LmmFit) -> None:
    calls = []

    def stop(fit: LmmFit) -> dict[str, float]:
        calls.append(fit)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return {"sigma": fit.sigma}

    with pytest.raises(KeyboardInterrupt):
        parametric_bootstrap(sessions_fit, 50, seed=1, statistic=stop, progress=False)
    assert len(calls) == 4


@pytest.mark.parametrize("shown", [True, False])
def test_the_bar_is_shown_on_stderr_when_wanted(
    shown: bool, sessions_fit: LmmFit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicates, "BAR_AFTER", 0.0)
    parametric_bootstrap(sessions_fit, 3, seed=1, progress=shown)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("Refitting" in err) == shown


BAD: list[tuple[dict[str, Any], str]] = [
    ({"n": 1}, r"n is 1(.|\n)*Hint: use n=1000"),
    ({"n": 10.5}, "n is 10.5"),
    ({"n": True}, "n is True"),
    ({"seed": -1}, r"seed is -1(.|\n)*Hint"),
    ({"seed": "monday"}, r"seed is 'monday'(.|\n)*Hint: use seed=1"),
    ({"seed": np.random.default_rng(1)}, "seed is a Generator; it must"),
    ({"n_jobs": 0}, r"n_jobs is 0(.|\n)*Hint: use n_jobs=1"),
    ({"n_jobs": 1.5}, r"n_jobs is 1\.5(.|\n)*Hint: use n_jobs=1"),
    ({"statistic": 3}, r"statistic= is a int(.|\n)*Hint: pass a function"),
    ({"statistic": lambda fit: fit.sigma}, r"returned a float(.|\n)*Hint: return a dict"),
    ({"statistic": lambda fit: {}}, "must return named numbers"),
    ({"statistic": lambda fit: {"name": "high"}}, r"not a number(.|\n)*Hint"),
    ({"statistic": lambda fit: {str(fit.sigma): 1.0}}, r"other names(.|\n)*Hint: return the same names"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_arguments_are_named(change: dict[str, Any], message: str, sessions_fit: LmmFit) -> None:
    arguments: dict[str, Any] = {"n": 5, "seed": 1, "progress": False} | change
    n = arguments.pop("n")
    with pytest.raises(ModelError, match=message):
        parametric_bootstrap(sessions_fit, n, **arguments)


@pytest.mark.parametrize("bootstrap", [parametric_bootstrap, case_bootstrap])
def test_something_that_is_no_fit_is_refused(bootstrap: Any) -> None:
    with pytest.raises(
        ModelError, match=rf"{bootstrap.__name__}\(\) needs a fitted(.|\n)*DataFrame(.|\n)*Hint: pass what lmm"
    ):
        bootstrap(pd.DataFrame(), 10, seed=1)


@pytest.mark.parametrize("bootstrap", [parametric_bootstrap, case_bootstrap])
def test_a_fit_that_did_not_converge_is_refused(bootstrap: Any, sessions_fit: LmmFit) -> None:
    from dataclasses import replace

    failed = replace(sessions_fit, optimum=replace(sessions_fit.optimum, converged=False, promise=0.5))
    with pytest.raises(ConvergenceError, match=r"still promises 0\.5(.|\n)*Hint: simplify"):
        bootstrap(failed, 10, seed=1)


@pytest.mark.parametrize("bootstrap", [parametric_bootstrap, case_bootstrap])
def test_ids_are_seen_nowhere(bootstrap: Any) -> None:
    frame = data("alliance_sessions")
    for name in ("patient", "therapist"):
        frame[name] = SECRET + frame[name]
    fit = lmm("distress ~ session + (1 | patient) + (1 | therapist)", frame)
    found = bootstrap(fit, 5, seed=1, progress=False)
    assert SECRET not in repr(found) + str(found.to_dict()) + found.to_markdown() + found._repr_html_()


def test_a_known_residual_variance_stays_known() -> None:
    frame = data("alliance_sessions")
    fit = lmm("distress ~ session + (1 | patient)", frame, sigma=2.5)
    found = parametric_bootstrap(fit, 6, seed=1, progress=False)
    assert (found.draws[:, -1] == 2.5).all()
    prepared = prepare_fit(fit)
    y = draw_outcome(prepared, np.random.default_rng(1))
    np.testing.assert_allclose(parameter_values(refit_outcome(prepared, y)), parameter_values(fit.refit(y)), rtol=1e-5)


def test_a_residual_structure_is_drawn_and_estimated_anew() -> None:
    from alliance_stats import ar1

    frame = data("alliance_sessions")
    fit = lmm("distress ~ session + (1 | patient)", frame, residual=ar1("session", by="patient"))
    found = parametric_bootstrap(
        fit, 6, seed=1, statistic=lambda own: {"rho": own.variance_components()["estimate"].iloc[-1]}, progress=False
    )
    assert abs(found.draws.mean() - found.estimate[0]) < 0.2
    assert found.draws.std() > 0.01
    plain = parametric_bootstrap(fit, 3, seed=1, progress=False)
    assert any("residual structure" in note for note in plain.notes)
    with pytest.raises(ModelError, match=r"residual structure(.|\n)*Hint: use parametric_bootstrap"):
        case_bootstrap(fit, 5, seed=1)
