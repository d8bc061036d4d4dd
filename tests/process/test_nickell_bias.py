"""The bias of an autoregression beside patients' means."""

from __future__ import annotations

import numpy as np
import pytest
from panel_studies import reciprocal_study

from alliance_stats.errors import DataError
from alliance_stats.process.lagged_model import lagged_model
from alliance_stats.process.nickell_bias import nickell_bias
from alliance_stats.process.panel_table import PanelTable
from alliance_stats.process.reciprocal import reciprocal

# -(1 + phi) / 2 for T = 2, -(1 + phi) / (T - 1) (1 - 1 / T) for phi = 0; the others by the published formula below.
VALUES = [
    (0.30, 2, -0.65),
    (0.25, 2, -0.625),
    (0.30, 3, -0.453030303030303),
    (0.25, 3, -0.432692307692308),
    (-0.50, 3, -0.15),
    (0.0, 4, -0.25),
    (0.30, 7, None),
    (0.9, 20, None),
    (-0.4, 5, None),
]


def as_published(phi: float, n_outcomes: int) -> float:
    share = (1 - phi**n_outcomes) / (n_outcomes * (1 - phi))
    bracket = 1 - 2 * phi * (1 - share) / ((1 - phi) * (n_outcomes - 1))
    return -(1 + phi) / (n_outcomes - 1) * (1 - share) / bracket


@pytest.mark.parametrize(("phi", "n_outcomes", "value"), VALUES)
def test_the_bias_is_that_of_the_published_formula(phi: float, n_outcomes: int, value: float | None) -> None:
    assert nickell_bias(phi, n_outcomes) == pytest.approx(as_published(phi, n_outcomes), rel=1e-12)
    if value is not None:
        assert nickell_bias(phi, n_outcomes) == pytest.approx(value, rel=1e-12)


def test_a_random_walk_has_the_limit_of_the_formula() -> None:
    for n_outcomes in (2, 3, 8):
        assert nickell_bias(1.0, n_outcomes) == pytest.approx(-3 / (n_outcomes + 1), rel=1e-12)
        assert nickell_bias(1.0 - 1e-9, n_outcomes) == pytest.approx(nickell_bias(1.0, n_outcomes), rel=1e-7)


def test_the_rule_of_thumb_is_its_limit_for_many_sessions() -> None:
    assert nickell_bias(0.3, 2000) == pytest.approx(-1.3 / 1999, rel=2e-3)
    assert nickell_bias(0.3, 2) == pytest.approx(-1.3 / 2)


@pytest.mark.parametrize("n_outcomes", [1, 0])
def test_one_outcome_has_no_deviation(n_outcomes: int) -> None:
    with pytest.raises(DataError, match=r"leaves no deviation.*\nHint: use three sessions"):
        nickell_bias(0.3, n_outcomes)


@pytest.mark.parametrize("waves", [3, 5])
def test_the_multilevel_model_is_off_by_the_bias(waves: int) -> None:
    rng, n, own = np.random.default_rng(waves), 2500, np.array([0.30, 0.25])
    state, course = rng.normal(size=(n, 2)) / np.sqrt(1 - own**2), []
    trait = rng.normal(size=(n, 2))
    for _ in range(waves):
        course.append(trait + state)
        state = state * own + rng.normal(size=(n, 2))
    ratings = np.stack(course, axis=1)
    panel = PanelTable(ratings[:, :, 0], ratings[:, :, 1], tuple(range(1, waves + 1)), 0)
    for rating, first_on_second in ((0, False), (1, True)):
        found = lagged_model(panel, first_on_second=first_on_second).estimate[0] - own[rating]
        # Sampling, and a random intercept instead of one per patient.
        assert found == pytest.approx(nickell_bias(own[rating], waves - 1), abs=0.05 if waves == 3 else 0.04)


@pytest.mark.parametrize("waves", [4, 5])
def test_the_note_has_the_bias_of_these_sessions(waves: int) -> None:
    result = reciprocal(reciprocal_study(np.random.default_rng(1)), "alliance", "symptom", waves=waves)
    own = [e.estimate[0] for e in result.lagged if e.model == "ri_clpm"]
    sizes = " and ".join(f"{nickell_bias(phi, waves - 1):.2f}" for phi in own)
    assert any(
        f"With {waves} sessions, complete ratings and the autoregressions of the RI-CLPM: about {sizes};" in n
        for n in result.notes
    )


def test_effects_by_session_have_no_long_run_in_structural_models_and_no_size_in_the_note() -> None:
    frame = reciprocal_study(np.random.default_rng(1), n_waves=4)
    result = reciprocal(frame, "alliance", "symptom", effects="by_session")
    table = result.tidy()
    assert table.loc[table["kind"] == "long_run", "model"].unique().tolist() == ["multilevel"]
    note = next(note for note in result.notes if note.startswith("Nickell bias"))
    assert "RI-CLPM" not in note
    assert note.endswith("more patients do not help. The structural models do not have it.")
