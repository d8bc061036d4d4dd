"""Results in running text."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import DataError
from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True)
class Slopes(Result):
    """A result that shows a given frame."""

    frame: pd.DataFrame

    def tidy(self) -> pd.DataFrame:
        return self.frame

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame({"n": [120]})


def fit(*, notes: tuple[str, ...] = (), **changes: object) -> Slopes:
    frame = pd.DataFrame(
        {
            "term": ["Intercept", "alliance"],
            "level": [None, "session"],
            "estimate": [12.3456, -0.3149],
            "std_error": [1.0, 0.0512],
            "statistic": [12.3456, -6.15],
            "p_value": [1e-9, 0.0312],
            "conf_low": [10.3856, -0.4153],
            "conf_high": [14.3056, -0.2145],
        }
    )
    return Slopes(frame=frame.assign(**changes), notes=notes)


def test_a_sentence_names_level_interval_and_method() -> None:
    assert al.sentence(fit()) == (
        "alliance (session level): b = -0.31, 95% CI [-0.42, -0.21], SE = 0.05, z = -6.15, p = .031 "
        "(normal approximation)."
    )


def test_degrees_of_freedom_make_it_a_t_test_with_its_method() -> None:
    text = al.sentence(fit(df=[20.0, 31.46], notes=("Degrees of freedom by Satterthwaite.",)))
    assert "t(31.5) = -6.15, p = .031 (Satterthwaite degrees of freedom)." in text


def test_advice_to_use_a_method_is_not_the_method() -> None:
    notes = ("The fit is singular; use bootstrap(seed=1).", "Tests by the normal distribution.")
    assert al.sentence(fit(notes=notes), "alliance").endswith("(normal approximation).")
    assert al.sentence(fit(notes=("Intervals by a bootstrap of patients.",)), "alliance").endswith("(bootstrap).")


@pytest.mark.parametrize("given", [None, 3, "wai", pd.DataFrame({"term": ["a"], "estimate": [1.0]})])
def test_what_is_no_result_is_refused(given: object) -> None:
    with pytest.raises(DataError, match=r"A sentence is said of a result.*\nHint: pass what an analysis returned"):
        al.sentence(given)  # type: ignore[arg-type]


def test_the_interval_level_is_the_tables() -> None:
    assert "90% CI [" in al.sentence(fit(conf_level=0.9))


def test_a_term_can_be_chosen() -> None:
    assert al.sentence(fit(), "Intercept").startswith("Intercept: b = 12.35")


def test_terms_at_several_levels_give_a_line_each() -> None:
    text = al.sentence(fit(term=["alliance", "alliance"], level=["session", "patient"]), "alliance")
    assert [line.split(":")[0] for line in text.splitlines()] == [
        "alliance (session level)",
        "alliance (patient level)",
    ]


def test_a_model_of_an_intercept_only_reports_it() -> None:
    only = Slopes(frame=fit().frame.iloc[:1])
    assert al.sentence(only).startswith("Intercept: b = 12.35")


def test_model_outcome_and_kind_are_named() -> None:
    text = al.sentence(fit(model=["REML", "ML"], outcome="distress", kind="correlation"), "alliance")
    assert "ML, alliance (correlation, session level, outcome distress): Estimate = -0.31" in text
    assert "statistic = -6.15" in text


def test_a_model_that_all_rows_share_is_not_named() -> None:
    assert al.sentence(fit(model="ML"), "alliance").startswith("alliance (session level)")


def test_a_difference_between_levels_is_called_so() -> None:
    text = al.sentence(fit(level=["contextual", "contextual"]), "alliance")
    assert text.startswith("alliance (difference between levels)")


def test_a_missing_estimate_is_said() -> None:
    assert "b = not estimated" in al.sentence(fit(estimate=[1.0, float("nan")]))


def test_an_unknown_term_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"No term 'aliance'.*\nHint: did you mean 'alliance'\?"):
        al.sentence(fit(), "aliance")


def test_a_result_without_named_estimates_is_refused() -> None:
    with pytest.raises(DataError, match=r"Slopes has no named estimates.*\nHint: print its table"):
        al.sentence(Slopes(frame=pd.DataFrame({"x": [1]})))
