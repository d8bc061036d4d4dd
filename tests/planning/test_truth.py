from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alliance_stats.coding.codebooks import load_codebook
from alliance_stats.errors import ModelError
from alliance_stats.planning.truth import ByLevel, StudyTruth, carry_over_matrix, implied_values
from alliance_stats.scales.instrument import load_instrument


def test_codes_are_those_of_the_helping_skills_codebook() -> None:
    assert tuple(StudyTruth().code_shares) == load_codebook("helping_skills").code_names


@pytest.mark.parametrize("category", ["supportive", "controlling"])
def test_categories_are_those_of_the_helping_skills_codebook(category: str) -> None:
    category_of = load_codebook("helping_skills").category_of
    expected = {code for code, its_category in category_of.items() if its_category == category}
    assert set(getattr(StudyTruth(), f"{category}_codes")) == expected


def test_the_standardized_session_effect_lies_where_the_kenya_study_puts_it() -> None:
    # PMC7776120: standardized .16 to .21.
    assert 0.16 <= implied_values(StudyTruth())["standardized_session_effect"] <= 0.21


def test_the_lasting_correlation_lies_in_the_interval_of_fluckiger_2018() -> None:
    # r = .278 [.256, .299].
    assert 0.256 <= implied_values(StudyTruth())["patient_correlation"] <= 0.299


def test_the_therapist_share_of_outcome_lies_between_wampold_2005_and_schiefele_2017() -> None:
    # 5 % and 7.2 %.
    assert 0.05 <= implied_values(StudyTruth())["therapist_share_of_outcome"] <= 0.072


def test_without_any_effect_the_implied_associations_are_zero() -> None:
    none = ByLevel(session=0.0, patient=0.0, therapist=0.0)
    implied = implied_values(replace(StudyTruth(), alliance_effect=none))
    assert implied["standardized_session_effect"] == 0
    assert implied["patient_correlation"] == 0


def test_the_therapist_share_is_a_ratio_of_variances() -> None:
    none = ByLevel(session=0.0, patient=0.0, therapist=0.0)
    truth = replace(
        StudyTruth(),
        alliance_effect=none,
        outcome_carry_over=0.0,
        outcome_sd=ByLevel(session=2.0, patient=1.0, therapist=1.0),
    )
    assert implied_values(truth)["therapist_share_of_outcome"] == pytest.approx(1 / 6)


def test_the_carry_over_matrix_holds_the_lagged_paths() -> None:
    np.testing.assert_array_equal(carry_over_matrix(StudyTruth()), [[0.20, 0.01], [1.5, 0.30]])


@pytest.mark.parametrize("facet", ["task", "goal", "bond"])
def test_the_facets_are_those_of_the_bundled_wai_sr(facet: str) -> None:
    items = tuple(i + 1 for i, name in enumerate(StudyTruth().wai_facets) if name == facet)
    assert items == load_instrument("wai_sr").scores[facet].items


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alliance_sd": ByLevel(session=-0.1, patient=1, therapist=1)}, r"alliance_sd.session must not be negative"),
        ({"wai_item_sd": -1.0}, r"wai_item_sd must not be negative"),
        ({"facet_sd_patient": -1.0}, r"facet_sd_patient must not be negative"),
        ({"alliance_mean": float("nan")}, r"alliance_mean must be finite"),
        ({"dropout_rate": 1.0}, r"dropout_rate must be at least 0 and below 1"),
        ({"item_missing": -0.1}, r"item_missing must be at least 0"),
        (
            {"share_concentration": ByLevel(session=0, patient=1, therapist=1)},
            r"share_concentration.session must be posi",
        ),
        ({"statements_size": 0.0}, r"statements_size must be positive"),
        ({"caseload_shape": 0.0}, r"caseload_shape must be positive"),
        ({"statements_mean": 1.0}, r"statements_mean must be above 1"),
        ({"outcome_carry_over": 1.0}, r"spectral radius 1\.0\d"),
        ({"outcome_to_alliance": 0.5}, r"would explode"),
        ({"code_shares": {"challenge": 0.5}}, r"sum to one; they sum to 0\.5000"),
        ({"controlling_codes": ("chalenge",)}, r"name chalenge"),
        ({"controlling_codes": ("restatement",)}, r"name restatement"),
        ({"wai_item_shifts": (0.1,) * 12}, r"shifts must sum to zero"),
        ({"wai_item_shifts": (0.0,) * 11}, r"12 entries each"),
        ({"wai_facets": ("task",) * 12}, r"task, goal and bond four times each"),
    ],
)
def test_impossible_values_are_named_with_a_remedy(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message + r"(.|\n)*Hint: \w+"):
        replace(StudyTruth(), **change)
