"""Resampled data: re-indexed cross-products against the frame put together by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats import lmm
from alliance_stats.errors import ModelError
from alliance_stats.inference.bootstrap import case_bootstrap
from alliance_stats.inference.case_resampling import (
    Selection,
    level_tree,
    refit_selection,
    resample,
    resampled_factors,
    without_level,
)
from alliance_stats.inference.parameter_table import parameter_values
from alliance_stats.inference.robust import robust_linear
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"
CASES: dict[str, tuple[str, str, str | None]] = {
    "one factor": ("Orthodont", "distance ~ agec * Sex + (1 + agec | Subject)", None),
    "two factors": (
        "alliance_sessions",
        "distress ~ session + alliance + (1 + session | patient) + (1 | therapist)",
        None,
    ),
    "weighted": ("alliance_sessions", "distress ~ session + (1 | patient) + (1 + session | therapist)", "weight"),
    "three factors": ("alliance_sessions", "distress ~ session + (1 | patient) + (1 | therapist) + (1 | site)", None),
}


def case_data(name: str) -> pd.DataFrame:
    frame = pd.read_csv(DATA / f"{name}.csv")
    if "therapist" in frame:
        frame["site"] = pd.factorize(frame["therapist"])[0] % 4
    return frame


def by_hand(fit: LmmFit, frame: pd.DataFrame, selection: Selection, levels: np.ndarray) -> pd.DataFrame:
    """Return the rows of the selected levels, with new ids at every level."""
    names = [fit.design.groupings[k].name for k in fit.cross_products.order]
    finest = next(g for g in fit.design.groupings if g.name == names[0])
    parts = []
    for new, source in enumerate(selection.source):
        part = frame[finest.codes == levels[source]].copy()
        own = new
        part[names[0]] = own
        for name, link in zip(names[1:], selection.links, strict=True):
            own = link[own]
            part[name] = own
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("case", CASES)
def test_a_resample_is_the_model_of_the_frame_put_together_by_hand(case: str) -> None:
    name, formula, weights = CASES[case]
    frame = case_data(name)
    fit = lmm(formula, frame, weights=weights)
    tree = level_tree(fit)
    for seed in range(3):
        selection = resample(tree, resampled_factors(tree.names, None), np.random.default_rng(seed))
        again = lmm(formula, by_hand(fit, frame, selection, tree.levels), weights=weights)
        found = refit_selection(tree, selection)
        expected = parameter_values(again)
        scale = np.maximum(np.abs(expected), np.nanmax(np.abs(expected)) * 1e-3)
        np.testing.assert_array_less(np.abs(parameter_values(found) - expected) / scale, 1e-4)


@pytest.mark.parametrize("case", CASES)
def test_everything_selected_once_is_the_fit(case: str) -> None:
    name, formula, weights = CASES[case]
    fit = lmm(formula, case_data(name), weights=weights)
    tree = level_tree(fit)
    whole = resample(tree, frozenset(), np.random.default_rng(0))
    np.testing.assert_allclose(parameter_values(refit_selection(tree, whole)), parameter_values(fit), rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_leaving_a_level_out_is_the_model_without_its_rows(case: str) -> None:
    name, formula, weights = CASES[case]
    frame = case_data(name)
    fit = lmm(formula, frame, weights=weights)
    tree = level_tree(fit)
    top = next(g for g in fit.design.groupings if g.name == tree.names[-1])
    finest = next(g for g in fit.design.groupings if g.name == tree.names[0])
    for j in (0, tree.n_coarsest - 1):
        selection = without_level(tree, j)
        kept = np.isin(finest.codes, tree.levels[selection.source])
        assert len(set(top.codes[~kept])) == 1
        again = lmm(formula, frame[kept], weights=weights)
        np.testing.assert_allclose(
            parameter_values(refit_selection(tree, selection)), parameter_values(again), rtol=2e-4, atol=1e-5
        )


@pytest.fixture(scope="module")
def fit() -> LmmFit:
    return lmm("distress ~ session + (1 | patient) + (1 | therapist)", case_data("alliance_sessions"))


def children(fit: LmmFit, selection: Selection) -> list[tuple[int, list[int]]]:
    """Return for each new therapist the true one and its patients."""
    tree = level_tree(fit)
    patient, therapist = (next(g for g in fit.design.groupings if g.name == name).codes for name in tree.names)
    owner = dict(zip(patient, therapist, strict=True))
    found = []
    for new in range(selection.links[0].max() + 1):
        patients = [int(tree.levels[s]) for s in selection.source[selection.links[0] == new]]
        assert len({owner[p] for p in patients}) == 1
        found.append((int(owner[patients[0]]), sorted(patients)))
    return found


def test_patients_stay_with_their_therapist_and_numbers_are_kept(fit: LmmFit) -> None:
    tree = level_tree(fit)
    sizes = dict(children(fit, resample(tree, frozenset(), np.random.default_rng(0))))
    for therapist, patients in children(fit, resample(tree, frozenset({0, 1}), np.random.default_rng(1))):
        assert len(patients) == len(sizes[therapist])


def test_by_the_coarsest_factor_draws_whole_therapists(fit: LmmFit) -> None:
    tree = level_tree(fit)
    whole = dict(children(fit, resample(tree, frozenset(), np.random.default_rng(0))))
    drawn = children(fit, resample(tree, resampled_factors(tree.names, ["therapist"]), np.random.default_rng(1)))
    assert all(patients == whole[therapist] for therapist, patients in drawn)
    assert len({therapist for therapist, _ in drawn}) < len(drawn) == len(whole)


def test_by_the_finest_factor_keeps_every_therapist_and_draws_patients_within(fit: LmmFit) -> None:
    tree = level_tree(fit)
    whole = dict(children(fit, resample(tree, frozenset(), np.random.default_rng(0))))
    drawn = dict(children(fit, resample(tree, resampled_factors(tree.names, ["patient"]), np.random.default_rng(1))))
    assert drawn.keys() == whole.keys()
    assert any(len(set(patients)) < len(patients) for patients in drawn.values())


def test_every_level_is_drawn_equally_often(fit: LmmFit) -> None:
    tree = level_tree(fit)
    rng = np.random.default_rng(2)
    n = 400
    counts = sum(
        np.bincount(resample(tree, frozenset({0, 1}), rng).source, minlength=tree.levels.size) for _ in range(n)
    )
    # Each finest level is expected once per resample; its variance is that of two stages of drawing, about 2.
    assert np.abs(counts / n - 1).max() < 4.5 * np.sqrt(2 / n)


def test_whole_therapists_give_fixed_effects_the_spread_of_the_sandwich(fit: LmmFit) -> None:
    found = case_bootstrap(fit, 400, seed=1, by=("therapist",), progress=False).tidy()["std_error"][:2]
    _, sandwich, *_ = robust_linear(fit, np.eye(2), robust="CR0", cluster="therapist")
    # Both estimate the same limit, which is far from the model's 0.1 for session; 400 draws know an SD to 4 %.
    np.testing.assert_allclose(found, sandwich, rtol=0.15)


def test_drawing_within_drawn_levels_is_said_to_inflate_the_coarser_variance(fit: LmmFit) -> None:
    both = case_bootstrap(fit, 100, seed=1, by=("therapist", "patient"), progress=False)
    whole = case_bootstrap(fit, 100, seed=1, by=("therapist",), progress=False)
    row = both.parameters.query("group == 'therapist'").index[0]
    assert both.tidy()["bias"][row] > whole.tidy()["bias"][row] + 0.1 * both.estimate[row]
    assert any("drawn too large" in note for note in both.notes)
    assert not any("drawn too large" in note for note in whole.notes)
    assert "levels of therapist drawn with replacement, within them levels of patient all kept" in whole.notes[0]


def test_all_factors_are_drawn_if_none_is_named(fit: LmmFit) -> None:
    found = case_bootstrap(fit, 5, seed=1, progress=False).draws
    assert np.array_equal(found, case_bootstrap(fit, 5, seed=1, by=("therapist", "patient"), progress=False).draws)


def test_crossed_factors_are_refused() -> None:
    crossed = lmm("rating ~ occasion + (1 | patient) + (1 | rater)", pd.read_csv(DATA / "alliance_raters.csv"))
    with pytest.raises(ModelError, match=r"patient, rater cross(.|\n)*Hint: use parametric_bootstrap"):
        case_bootstrap(crossed, 10, seed=1)


def test_an_unknown_factor_is_refused(fit: LmmFit) -> None:
    with pytest.raises(ModelError, match=r"'patients'(.|\n)*Hint: did you mean 'patient'"):
        case_bootstrap(fit, 10, seed=1, by=("therapist", "patients"))


@pytest.mark.parametrize("by", ["therapist", ()])
def test_by_must_be_a_sequence_of_names(fit: LmmFit, by: str | tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match=r"by= is a sequence(.|\n)*Hint: use by=\('therapist', 'patient'\)"):
        case_bootstrap(fit, 10, seed=1, by=by)
