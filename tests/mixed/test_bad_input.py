"""Input that cannot be fitted: the message names the offender, says what to do, and shows no id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from mixed_sessions import CANARY, sessions

from alliance_stats import lmm
from alliance_stats.errors import (
    AllianceStatsError,
    ColumnError,
    DataError,
    FormulaError,
    ModelError,
)

MODEL = "distress ~ session + alliance + (1 | patient)"
Change = Callable[[pd.DataFrame], Any]


def crossed(n: int) -> pd.DataFrame:
    """Return two crossed factors with n levels each."""
    rng = np.random.default_rng(0)
    ids = [f"{CANARY}{i}" for i in range(n)]
    frame = pd.DataFrame({"patient": ids * 3, "rater": rng.permutation(ids * 3)})
    return frame.assign(distress=rng.normal(size=3 * n))


def with_value(column: str, value: Any, rows: slice = slice(4, 5)) -> Change:
    """Return a change that puts a value into some rows of a column."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].to_numpy(dtype=float, copy=True)
        values[rows] = value
        return frame.assign(**{column: values})

    return change


def same(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as it is."""
    return frame


N_ROWS = len(sessions())

TABLE: dict[str, tuple[str, Change, dict[str, Any], type[AllianceStatsError], str, str]] = {
    # case: formula, change of the data, arguments, error, what the message names, the remedy
    "unknown predictor": (
        MODEL.replace("alliance", "aliance"),
        same,
        {},
        ColumnError,
        "No column 'aliance'",
        "Did you mean 'alliance'",
    ),
    "unknown outcome": (
        MODEL.replace("distress", "distres"),
        same,
        {},
        ColumnError,
        "'distres'",
        "Did you mean 'distress'",
    ),
    "unknown group": (
        MODEL.replace("patient", "pateint"),
        same,
        {},
        ColumnError,
        "'pateint'",
        "Did you mean 'patient'",
    ),
    "unknown slope": (MODEL.replace("(1", "(1 + sesion"), same, {}, ColumnError, "'sesion'", "Did you mean 'session'"),
    "two unknown": (
        "distress ~ foo + bar + (1 | patient)",
        same,
        {},
        ColumnError,
        "'bar', 'foo'",
        "as they are called",
    ),
    "text outcome": ("arm ~ session + (1 | patient)", same, {}, ColumnError, "'arm'", "correct those cells"),
    "constant outcome": (
        MODEL,
        with_value("distress", 3.0, slice(None)),
        {},
        DataError,
        "'distress'",
        "a constant cannot be modelled",
    ),
    "infinite outcome": (
        MODEL,
        with_value("distress", np.inf),
        {},
        ColumnError,
        "'distress'.* 1 infinite",
        "logarithms of zero",
    ),
    "infinite predictor": (
        MODEL,
        with_value("alliance", -np.inf),
        {},
        ColumnError,
        "'alliance'.* 1 infinite",
        "logarithms",
    ),
    "infinite slope": (
        "distress ~ session + (1 + alliance | patient)",
        with_value("alliance", np.inf),
        {},
        ColumnError,
        "'alliance'",
        "logarithms of zero",
    ),
    "logarithm of zero": (
        "distress ~ np.log1p(alliance) + (1 | patient)",
        with_value("alliance", np.inf),
        {},
        ColumnError,
        r"np.log1p\(alliance\)",
        "logarithms of zero",
    ),
    "all rows missing": (
        MODEL,
        with_value("alliance", np.nan, slice(None)),
        {},
        DataError,
        f"alliance {N_ROWS}",
        "leave out",
    ),
    "no rows": (MODEL, lambda f: f.iloc[:0], {}, DataError, "no rows", "check the file"),
    "one level": (
        MODEL,
        lambda f: f.assign(patient=CANARY),
        {},
        ModelError,
        "'patient' has one level",
        "leave out its random",
    ),
    "as many levels as rows": (
        MODEL,
        lambda f: f.assign(patient=[f"{CANARY}{i}" for i in range(len(f))]),
        {},
        ModelError,
        f"'patient' has {N_ROWS} levels",
        "leave out",
    ),
    "more slopes than rows": (
        "distress ~ 1 + (1 + session + alliance + weight + I(session**2) | patient)",
        same,
        {},
        ModelError,
        "'patient' has 24 levels with 5 random effects each, 120 in all",
        "leave out a random slope",
    ),
    "more fixed effects than rows": (
        "distress ~ poly(alliance, 9) + poly(weight, 9) + (1 | patient)",
        lambda f: f.iloc[:12],
        {},
        ModelError,
        "fixed effects cannot be estimated from 12 rows",
        "leave out predictors",
    ),
    "constant slope": (
        "distress ~ session + (1 + weight | patient)",
        with_value("weight", 1.0, slice(None)),
        {},
        ModelError,
        "'weight' by 'patient' is constant",
        "leave it out",
    ),
    "no random term": (
        "distress ~ session",
        same,
        {},
        ModelError,
        "has no random term",
        r"add one such as \(1 \| patient\)",
    ),
    "zero weight": (
        MODEL,
        with_value("weight", 0.0),
        {"weights": "weight"},
        DataError,
        r"1 of \d+ weights.* row 5\)",
        "positive",
    ),
    "negative weight": (
        MODEL,
        with_value("weight", -1.0),
        {"weights": "weight"},
        DataError,
        "negative",
        "positive number",
    ),
    "infinite weight": (
        MODEL,
        with_value("weight", np.inf),
        {"weights": "weight"},
        DataError,
        "infinite",
        "positive number",
    ),
    "too few weights": (
        MODEL,
        same,
        {"weights": [1.0, 2.0]},
        DataError,
        f"2 weights were given for {N_ROWS} rows",
        "one weight",
    ),
    "one weight": (MODEL, same, {"weights": np.array(2.0)}, DataError, "1 weights were given", "one weight per row"),
    "unknown weights": (MODEL, same, {"weights": "weigth"}, ColumnError, "'weigth'", "Did you mean 'weight'"),
    "text weights": (MODEL, same, {"weights": "arm"}, ColumnError, "'arm'", "correct those cells"),
    "list of text as weights": (MODEL, same, {"weights": [CANARY] * N_ROWS}, AllianceStatsError, "weights", "weight"),
    "wrong method": (MODEL, same, {"method": "ml"}, ModelError, "No method 'ml'", 'method="REML" or method="ML"'),
    "lazy frame": (MODEL, lambda f: pl.from_pandas(f).lazy(), {}, DataError, "LazyFrame", "collect a lazy one first"),
    "not a frame": (
        MODEL,
        lambda f: f.to_dict("list"),
        {},
        DataError,
        "this is a dict",
        "pass a pandas, polars or pyarrow",
    ),
    "an array": (
        MODEL,
        lambda f: f[["distress", "session"]].to_numpy(),
        {},
        DataError,
        "ndarray",
        "pass a pandas, polars",
    ),
    "nothing": (MODEL, lambda f: None, {}, DataError, "NoneType", "pass a pandas, polars"),
    "duplicate column": (
        MODEL,
        lambda f: pd.concat([f, f[["alliance"]]], axis=1),
        {},
        ColumnError,
        "Two or more columns are called 'alliance'",
        "rename",
    ),
    "duplicate group": (
        MODEL,
        lambda f: pd.concat([f, f[["patient"]]], axis=1),
        {},
        ColumnError,
        "'patient'",
        "rename",
    ),
    "unknown function": (
        "distress ~ nosuch(session) + (1 | patient)",
        same,
        {},
        FormulaError,
        r"'nosuch\(session\)'",
        "check its spelling",
    ),
    "arithmetic on text": (
        "distress ~ np.log(arm) + (1 | patient)",
        same,
        {},
        FormulaError,
        r"np.log\(arm\)",
        "hold numbers",
    ),
    "huge crossed factors": (
        "distress ~ 1 + (1 | patient) + (1 | rater)",
        lambda f: crossed(5200),
        {},
        ModelError,
        "patient 5200 levels, rater 5200 levels",
        "look for levels that occur in two places",
    ),
    "outcome that the predictors determine": (
        MODEL,
        lambda f: f.assign(distress=f["session"] + f["alliance"]),
        {},
        ModelError,
        "'distress' is a combination of the fixed effects",
        "take out the predictor",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_message_names_the_offender_and_the_remedy(case: str) -> None:
    formula, change, arguments, error, problem, hint = TABLE[case]
    with pytest.raises(error, match=rf"(?s){problem}.*\nHint: .*{hint}"):
        lmm(formula, change(sessions()), **arguments)


@pytest.mark.parametrize("case", TABLE)
def test_message_shows_no_id(case: str) -> None:
    formula, change, arguments, *_ = TABLE[case]
    with pytest.raises(AllianceStatsError) as caught:
        lmm(formula, change(sessions()), **arguments)
    assert CANARY not in str(caught.value)
    assert CANARY.casefold() not in repr(caught.value).casefold()


def test_fit_says_nothing_about_ids_in_repr_notes_and_summary() -> None:
    fit = lmm(f"{MODEL} + (1 | therapist)", sessions())
    shown = [repr(fit), *fit.notes, fit.summary(), fit.to_markdown(), fit.glance().to_string(), fit.tidy().to_string()]
    assert not any(CANARY in text for text in shown)


def test_unknown_group_and_kind_of_effects_name_the_known_ones() -> None:
    fit = lmm(f"{MODEL} + (1 | therapist)", sessions())
    with pytest.raises(ModelError, match=r"(?s)No grouping factor 'patients'.*did you mean 'patient'"):
        fit.random_effects("patients")
    with pytest.raises(ModelError, match=r"(?s)several grouping factors.*name one of patient, therapist"):
        fit.random_effects()
    with pytest.raises(ModelError, match=r"(?s)No kind of effects 'fix'.*did you mean 'fixed'"):
        fit.tidy("fix")  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [0, 1, 95, -0.5])
def test_interval_level_outside_its_range(level: float) -> None:
    with pytest.raises(ModelError, match=r"(?s)between 0 and 1.*level=0.95"):
        lmm(MODEL, sessions()).tidy(level=level)


@pytest.mark.parametrize("outcome", [[1.0, 2.0], np.full(N_ROWS, np.nan), np.ones((N_ROWS, 2))])
def test_refit_needs_one_number_per_row(outcome: Any) -> None:
    with pytest.raises(DataError, match=rf"(?s){N_ROWS} finite numbers.*leave out the rows"):
        lmm(MODEL, sessions()).refit(outcome)


def test_refit_to_a_constant_is_a_data_error_like_the_fit() -> None:
    with pytest.raises(DataError, match="same in all"):
        lmm(MODEL, sessions()).refit(np.ones(N_ROWS))


def test_theta_of_wrong_length() -> None:
    with pytest.raises(ModelError, match=r"(?s)theta has 2 values; this model has 1.*fit.theta"):
        lmm(MODEL, sessions()).deviance_at(np.ones(2))


def test_new_data_without_a_column_of_the_model() -> None:
    fit = lmm(MODEL, sessions())
    with pytest.raises(ColumnError, match=r"(?s)'alliance'.*new data need the columns of the model"):
        fit.predict(sessions().drop(columns="alliance"))


@pytest.mark.parametrize("seed", range(6))
def test_an_outcome_without_residuals_is_an_error_not_a_result(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = sessions().assign(alliance=rng.normal(size=N_ROWS), distress=lambda f: 2 + 3 * f["alliance"])
    with pytest.raises(AllianceStatsError, match="Hint"):
        lmm("distress ~ alliance + (1 | therapist)", frame)


def test_an_outcome_equal_to_a_predictor_is_an_error_not_a_result() -> None:
    frame = sessions().assign(alliance=lambda f: np.round(f["alliance"]))
    with pytest.raises(AllianceStatsError, match="Hint"):
        lmm("copy ~ alliance + (1 | therapist)", frame.assign(copy=frame["alliance"]))


def test_nullable_booleans_with_missing_cells_lose_these_rows() -> None:
    values = pd.array([None, True, False] * 34, dtype="boolean")[:N_ROWS]
    assert lmm("distress ~ known + (1 | patient)", sessions().assign(known=values)).n_obs == N_ROWS - 34


def test_a_column_named_like_the_constant_term_is_refused() -> None:
    with pytest.raises(FormulaError, match=r"(?s)'Intercept'.*rename the column"):
        lmm("distress ~ Intercept + (1 | patient)", sessions().rename(columns={"alliance": "Intercept"}))


def test_a_complex_outcome_is_refused() -> None:
    with pytest.raises(ColumnError, match=r"(?s)'distress' holds complex.*real part"):
        lmm(MODEL, sessions().assign(distress=lambda f: f["distress"] + 1j))
