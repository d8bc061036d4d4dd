"""Between-within degrees of freedom against nlme and by counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from golden_fixed import CASES, GOLDEN, fitted, plain_name, prepared

import alliance_stats as al
from alliance_stats.errors import ModelError
from alliance_stats.inference.linear import linear_inference

NESTED = [case for case in CASES if "containment" in GOLDEN["cases"][case]]


@pytest.mark.parametrize("case", NESTED)
def test_effects_other_than_the_intercept_agree_with_nlme(case: str) -> None:
    golden = GOLDEN["cases"][case]
    table = al.coefficient_tests(fitted(case), df="between_within").tidy()
    found = {plain_name(row.term): row.df for row in table.itertuples()}
    expected = dict(zip(map(plain_name, golden["terms"]), golden["containment"]["df"], strict=True))
    del expected["Intercept"]
    assert expected
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("case", NESTED)
def test_terms_agree_with_nlme(case: str) -> None:
    golden = GOLDEN["cases"][case]["containment"]
    expected = dict(zip(map(plain_name, golden["term"]), golden["term_df"], strict=True))
    del expected["Intercept"]
    for row in al.term_tests(fitted(case), df="between_within").tidy().itertuples():
        assert row.df == expected[plain_name(row.term)]


def test_levels_are_counted_from_the_outermost_inwards() -> None:
    # 4 sites, 12 therapists, 36 patients, 108 rows; one predictor at each level.
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(36), 3)
    therapist, site = patient // 3, patient // 9
    frame = pd.DataFrame({"patient": patient, "therapist": therapist, "site": site})
    for name, codes in (("x_site", site), ("x_therapist", therapist), ("x_patient", patient)):
        frame[name] = rng.normal(size=codes.max() + 1)[codes]
    frame["x_row"] = rng.normal(size=108)
    frame["y"] = (
        rng.normal(size=36)[patient] + rng.normal(size=12)[therapist] + rng.normal(size=4)[site] + rng.normal(size=108)
    )
    fit = al.lmm("y ~ x_site + x_therapist + x_patient + x_row + (1|site) + (1|therapist) + (1|patient)", frame)
    tests = al.coefficient_tests(fit, df="between_within")
    assert tests.tidy().set_index("term")["df"].to_dict() == {
        "Intercept": 4 - 1 - 1,
        "x_site": 4 - 1 - 1,
        "x_therapist": 12 - 4 - 1,
        "x_patient": 36 - 12 - 1,
        "x_row": 108 - 36 - 1,
    }
    assert any(
        "2 at the level of site, 7 at the level of therapist, 23 at the level of patient" in n for n in tests.notes
    )


def test_without_an_intercept_groups_are_not_reduced_by_one() -> None:
    frame = prepared("sessions_no_intercept")
    table = al.coefficient_tests(fitted("sessions_no_intercept"), df="between_within").tidy().set_index("term")
    n_patients = frame["patient"].nunique()
    assert (table.loc[["arm[brief]", "arm[full]", "arm[waiting]"], "df"] == n_patients - 3).all()
    assert table.loc["session", "df"] == len(frame) - n_patients - 1


def test_a_combination_has_the_df_of_its_outermost_effect() -> None:
    fit = fitted("orthodont")
    rows = np.zeros((2, 4))
    names = list(fit.term_names)
    rows[0, [names.index("agec"), names.index("Sex[T.Male]")]] = 1.0
    rows[1, [names.index("agec"), names.index("agec:Sex[T.Male]")]] = 1.0
    assert linear_inference(fit, rows, df="between_within").df.tolist() == [25.0, 79.0]


def test_factors_with_the_same_levels_count_once() -> None:
    frame = prepared("clinics").assign(again=lambda d: d["clinic"])
    one, two = (
        al.coefficient_tests(al.lmm(f"outcome ~ alliance + (1 | clinic){more}", frame), df="between_within")
        for more in ("", " + (1 | again)")
    )
    assert two.tidy()["df"].tolist() == one.tidy()["df"].tolist() == [7.0, 221.0]
    note = next(note for note in two.notes if "between_within" in note)
    assert "7 at the level of" in note
    assert note.endswith("221 at the level of rows.")
    assert note.count("at the level of") == 2


def test_a_predictor_constant_but_for_rounding_belongs_to_its_level() -> None:
    frame = prepared("orthodont")
    noise = 1e-14 * np.random.default_rng(1).normal(size=len(frame))
    frame["male"] = (frame["Sex"] == "Male") + noise
    table = al.coefficient_tests(al.lmm("distance ~ male + (1 | Subject)", frame), df="between_within").tidy()
    assert table.set_index("term")["df"]["male"] == 25


def test_crossed_factors_are_refused() -> None:
    with pytest.raises(ModelError, match=r"these cross: patient, rater\.\nHint: use df=\"satterthwaite\""):
        al.coefficient_tests(fitted("raters"), df="between_within")


def test_a_level_without_df_is_refused() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"patient": np.repeat(np.arange(4), 5), "y": rng.normal(size=20)})
    for name in ("a", "b", "c"):
        frame[name] = rng.normal(size=4)[frame["patient"]]
    fit = al.lmm("y ~ a + b + c + (1 | patient)", frame)
    with pytest.raises(ModelError, match=r"0 at the level of patient(.|\n)*Hint: leave out predictors"):
        al.coefficient_tests(fit, df="between_within")
