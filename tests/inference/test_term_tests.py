"""F tests of terms against lmerTest and classical analysis of variance; see tests/golden/coefficient_tests.R."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from golden_fixed import CASES, GOLDEN, RTOL, deviation, fitted, plain_name, prepared
from scipy import stats

import alliance_stats as al
from alliance_stats.errors import ModelError
from alliance_stats.inference.hypotheses import term_hypotheses
from alliance_stats.inference.linear import DF_METHODS, joint_test
from alliance_stats.inference.robust import robust_joint
from alliance_stats.inference.term_structure import cell_rows, fixed_terms
from alliance_stats.mixed.encoder import make_encoder

TABLES = [(case, key) for case in CASES for key in (GOLDEN["cases"][case]["term_tests"] or {})]


@pytest.mark.parametrize(("case", "key"), TABLES)
def test_terms_agree_with_lmertest(case: str, key: str) -> None:
    df, kind = key.split()
    golden = GOLDEN["cases"][case]["term_tests"][key]
    found = al.term_tests(fitted(case), kind=kind, df=df).tidy()
    found.index = pd.Index([plain_name(term) for term in found["term"]])
    names = [plain_name(term) for term in np.atleast_1d(golden["term"])]
    assert set(found.index) == set(names)
    assert (found["kind"] == kind).all()
    assert np.array_equal(found.loc[names, "df_numerator"], np.atleast_1d(golden["df_numerator"]))
    for quantity in ("df", "statistic", "p_value"):
        assert deviation(found.loc[names, quantity], np.atleast_1d(golden[quantity])) < RTOL[quantity]


def split_plot(seed: int = 2) -> pd.DataFrame:
    """Return 12 patients of three arms with four phases each, one row per cell."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(12), 4)
    arm, phase = np.array(list("abc"))[patient % 3], np.tile(list("pqrs"), 12)
    y = rng.normal(0, 2, 12)[patient] + (arm == "b") + 0.5 * (phase == "s") * (arm == "c") + rng.normal(size=48)
    return pd.DataFrame({"y": y, "patient": patient, "arm": arm, "phase": phase})


@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger", "between_within"])
@pytest.mark.parametrize("kind", ["III", "II"])
def test_a_balanced_split_plot_gives_the_classical_f_tests(df: str, kind: str) -> None:
    frame = split_plot()
    y = frame["y"].to_numpy().reshape(12, 4)
    arm = np.arange(12) % 3
    cells = np.array([y[arm == a].mean(axis=0) for a in range(3)])
    grand, by_arm, by_phase, by_patient = y.mean(), cells.mean(axis=1), cells.mean(axis=0), y.mean(axis=1)
    ss_arm = 16 * ((by_arm - grand) ** 2).sum()
    ss_patient = 4 * ((by_patient - by_arm[arm]) ** 2).sum()
    ss_phase = 12 * ((by_phase - grand) ** 2).sum()
    ss_both = 4 * ((cells - by_arm[:, None] - by_phase + grand) ** 2).sum()
    ss_rest = ((y - by_patient[:, None] - (cells - by_arm[:, None])[arm]) ** 2).sum()
    expected = {
        "arm": (ss_arm / 2 / (ss_patient / 9), 2, 9),
        "phase": (ss_phase / 3 / (ss_rest / 27), 3, 27),
        "arm:phase": (ss_both / 6 / (ss_rest / 27), 6, 27),
    }
    table = al.term_tests(al.lmm("y ~ arm * phase + (1 | patient)", frame), kind=kind, df=df).tidy().set_index("term")
    for name, row in table.iterrows():
        f, numerator, denominator = expected[name]
        assert row["statistic"] == pytest.approx(f, rel=1e-6)
        assert row["df_numerator"] == numerator
        assert row["df"] == pytest.approx(denominator, rel=1e-5)
        assert row["p_value"] == pytest.approx(stats.f.sf(f, numerator, denominator), rel=1e-4)


CODINGS = {
    "sum": "distress ~ C(third, contr.sum) * C(phase, contr.sum) + session + (1 | patient)",
    "polynomial": "distress ~ C(third, contr.poly) * C(phase, contr.helmert) + session + (1 | patient)",
    "other reference": "distress ~ C(third, contr.treatment('b')) * phase + session + (1 | patient)",
    "other order": "distress ~ session + phase * third + (1 | patient)",
}


@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger"])
@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("coding", CODINGS)
def test_the_coding_of_categories_does_not_matter_for_type_three(coding: str, holes: bool, df: str) -> None:
    frame = prepared("sessions_holes" if holes else "sessions_phases")
    plain = al.term_tests(al.lmm("distress ~ third * phase + session + (1 | patient)", frame), df=df).tidy()
    other = al.term_tests(al.lmm(CODINGS[coding], frame), df=df).tidy()
    bare = [
        ":".join(sorted(re.sub(r"C\((\w+),.*?\)(?=:|$)", r"\1", re.sub(r"\('b'\)", "", t)).split(":")))
        for t in other["term"]
    ]
    other.index = pd.Index(bare)
    plain.index = pd.Index([":".join(sorted(t.split(":"))) for t in plain["term"]])
    for column in ("statistic", "df", "p_value", "df_numerator"):
        assert np.allclose(other.loc[plain.index, column], plain[column], rtol=1e-6)


def test_the_coding_of_categories_does_not_matter_for_f_of_type_two() -> None:
    frame = prepared("sessions_phases")
    plain = al.term_tests(
        al.lmm("distress ~ third * phase + (1 | patient)", frame), kind="II", df="kenward_roger"
    ).tidy()
    formula = "distress ~ C(third, contr.sum) * C(phase, contr.sum) + (1 | patient)"
    other = al.term_tests(al.lmm(formula, frame), kind="II", df="kenward_roger").tidy()
    assert np.allclose(other["statistic"], plain["statistic"], rtol=1e-7)
    assert np.allclose(other["df"], plain["df"], rtol=1e-7)


def test_the_first_level_does_not_matter_for_f() -> None:
    frame = prepared("sessions_phases")
    turned = frame.assign(third=frame["third"].map({"a": "z", "b": "b", "c": "c"}))
    formula = "distress ~ third * phase + (1 | patient)"
    for df in ("kenward_roger", "satterthwaite"):
        one, other = (al.term_tests(al.lmm(formula, f), df=df).tidy() for f in (frame, turned))
        assert np.allclose(other["statistic"], one["statistic"], rtol=1e-6)
        assert np.allclose(other["df"], one["df"], rtol=1e-6 if df == "kenward_roger" else 0.02)


def test_type_three_of_a_full_table_compares_unweighted_means() -> None:
    rows = term_hypotheses(fitted("sessions_phases"), "III")
    names = list(fitted("sessions_phases").term_names)
    weights = dict(zip(names, rows["session"][0], strict=True))
    assert weights["session"] == pytest.approx(1.0)
    assert weights["third[T.b]:session"] == pytest.approx(1 / 3)
    assert weights["phase[T.late]:session"] == pytest.approx(1 / 2)
    assert weights["third[T.c]:phase[T.late]:session"] == pytest.approx(1 / 6)
    assert weights["third[T.b]"] == 0.0


def test_type_two_and_three_agree_for_terms_that_no_other_contains() -> None:
    three, two = (al.term_tests(fitted("sessions_arms"), kind=kind).tidy().set_index("term") for kind in ("III", "II"))
    alone = ["alliance", "arm:phase", "session:arm"]
    for column in ("df", "statistic", "p_value"):
        assert np.allclose(two.loc[alone, column], three.loc[alone, column], rtol=1e-6)
    assert abs(two.loc["arm", "statistic"] / three.loc["arm", "statistic"] - 1) > 0.1


def test_a_numeric_term_is_not_contained_in_its_product_with_another() -> None:
    frame = prepared("sessions")
    fit = al.lmm("distress ~ session * alliance + (1 | patient)", frame)
    coefficients = al.coefficient_tests(fit).tidy().iloc[1:]
    for kind in ("III", "II"):
        terms = al.term_tests(fit, kind=kind).tidy()
        assert terms["term"].tolist() == coefficients["term"].tolist()
        assert np.allclose(terms["p_value"], coefficients["p_value"], rtol=1e-7)


def test_a_numeric_factor_of_several_columns_is_one_term() -> None:
    frame = prepared("sessions")
    fit = al.lmm("distress ~ poly(session, 2) * arm + (1 | patient)", frame)
    table = al.term_tests(fit).tidy().set_index("term")
    assert table["df_numerator"].to_dict() == {"poly(session, 2)": 2, "arm": 2, "poly(session, 2):arm": 4}
    rows = term_hypotheses(fit, "III")["poly(session, 2)"]
    names = list(fit.term_names)
    assert rows[0, names.index("poly(session, 2)[1]:arm[T.full]")] == pytest.approx(1 / 3)
    assert rows[0, names.index("poly(session, 2)[2]:arm[T.full]")] == 0.0


@pytest.mark.parametrize(
    "formula",
    [
        "third * phase * session",
        "0 + third:phase",
        "third:phase + session:third",
        "poly(session, 2):third:phase + phase",
        "C(third, contr.sum) * poly(session, 2) + alliance:session",
        "session + alliance",
        "poly(session, 2):alliance + poly(session, 2)",
    ],
)
def test_the_structure_of_terms_rebuilds_the_model_matrix(formula: str) -> None:
    frame = prepared("sessions_phases")
    encoder, encoded = make_encoder(formula, frame)
    terms = fixed_terms(encoder)
    assert sorted(c for term in terms for c in term.columns) == list(range(len(encoded.names)))
    levels = {"third": sorted(frame["third"].unique()), "phase": sorted(frame["phase"].unique())}
    poly = {name: make_encoder(f"0 + {name}", frame)[1].columns for name in ("poly(session, 2)",)}
    for term in terms:
        cells = []
        for place in np.ndindex(*reversed(term.sizes)):
            value = np.ones(len(frame))
            for factor, at in zip(term.factors, reversed(place), strict=True):
                plain = factor.removeprefix("C(").split(",")[0] if "contr" in factor else factor
                if factor in poly:
                    value = value * poly[factor][at]
                else:
                    value = value * ((frame[plain] == levels[plain][at]) if plain in levels else frame[plain])
            cells.append(np.asarray(value, dtype=float))
        rebuilt = np.column_stack(cells) @ term.coding
        for position, column in enumerate(term.columns):
            own = encoded.columns[column]
            assert np.allclose(rebuilt[:, position], 1.0 if own is None else own, atol=1e-9)


def test_the_rows_of_cells_span_as_much_as_there_are_columns() -> None:
    encoder, encoded = make_encoder("third * phase * session", prepared("sessions_phases"))
    rows, _ = cell_rows(fixed_terms(encoder))
    assert np.linalg.matrix_rank(rows) == len(encoded.names)


def test_columns_of_a_product_of_unknown_widths_are_refused() -> None:
    frame = prepared("sessions")
    fit = al.lmm("distress ~ poly(session, 2):poly(alliance, 2) + (1 | patient)", frame)
    with pytest.raises(ModelError, match=r"cannot be told apart\.\nHint: add its parts to the formula"):
        al.term_tests(fit)


def test_terms_that_others_explain_are_named_in_notes() -> None:
    frame = prepared("sessions").assign(twice=lambda d: 2 * d["session"])
    for kind in ("III", "II"):
        tests = al.term_tests(al.lmm("distress ~ session + twice + arm + (1 | patient)", frame), kind=kind)
        alone = al.term_tests(al.lmm("distress ~ session + arm + (1 | patient)", frame), kind=kind).tidy()
        assert tests.tidy()["term"].tolist() == ["session", "arm"]
        assert np.allclose(tests.tidy()["statistic"], alone["statistic"], rtol=1e-7)
        assert any("nothing left to test" in note and note.endswith(": twice.") for note in tests.notes)


@pytest.mark.parametrize("df", DF_METHODS)
def test_each_df_method_gives_the_joint_test_of_the_terms_hypothesis(df: str) -> None:
    fit = fitted("orthodont")
    table = al.term_tests(fit, df=df).tidy()
    for name, rows in term_hypotheses(fit, "III").items():
        expected = joint_test(fit, rows, df=df)
        row = table.set_index("term").loc[name]
        assert (row["statistic"], row["df"], row["p_value"]) == (
            expected.statistic,
            expected.df_denominator,
            expected.p_value,
        )
    wald = table["statistic"] * table["df_numerator"]
    if df == "normal":
        assert np.allclose(table["p_value"], stats.chi2.sf(wald, table["df_numerator"]), rtol=1e-9)
    else:
        assert np.allclose(
            table["p_value"], stats.f.sf(table["statistic"], table["df_numerator"], table["df"]), rtol=1e-9
        )


def test_robust_tests_of_terms_are_those_of_the_robust_module() -> None:
    fit = fitted("sessions_arms")
    table = al.term_tests(fit, robust="CR2", cluster="patient").tidy().set_index("term")
    for name, rows in term_hypotheses(fit, "III").items():
        expected = robust_joint(fit, rows, robust="CR2", cluster="patient")
        assert table.loc[name, "statistic"] == pytest.approx(expected.statistic)
        assert table.loc[name, "df"] == pytest.approx(expected.df_denominator)


def test_notes_say_which_type_was_used() -> None:
    fit = fitted("sessions_arms")
    assert any(note.startswith("Type III: each term given all others;") for note in al.term_tests(fit).notes)
    two = al.term_tests(fit, kind="II", df="kenward_roger")
    assert any(note.startswith("Type II:") for note in two.notes)
    assert any("df method: kenward_roger" in note for note in two.notes)


def test_glance_describes_the_table() -> None:
    row = al.term_tests(fitted("orthodont"), kind="II", robust="CR1").glance().iloc[0]
    assert (row["outcome"], row["kind"], row["n"], row["n_terms"]) == ("distance", "II", 108, 3)
    assert (row["df_method"], row["covariance"]) == ("satterthwaite", "CR1")


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ModelError, match=r"No type of tests 'I'(.|\n)*Hint: "):
        al.term_tests(fitted("orthodont"), kind="I")


def test_an_intercept_alone_has_no_terms() -> None:
    with pytest.raises(ModelError, match=r"has no term to test\.\nHint: use coefficient_tests\(\)"):
        al.term_tests(fitted("penicillin"))
