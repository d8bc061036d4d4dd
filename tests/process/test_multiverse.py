"""Alliance and outcome under every combination of choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import DataError, ModelError
from alliance_stats.process.alliance_outcome import alliance_outcome
from alliance_stats.process.multiverse import Multiverse, alliance_multiverse
from alliance_stats.process.multiverse_choices import defensible_choices
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel
from alliance_stats.result import COLUMNS

Study = Callable[..., pd.DataFrame]
ASKED = {"alliance": "wai", "outcome": "distress", "lag": 1}
PLAIN = OutcomeModel(slopes=())
CHOICES: dict[str, Any] = {
    "detrend": [None, "linear"],
    "covariates": {"full": Adjustments(), "time alone": Adjustments(previous_outcome=False)},
    "centring": ["sessions", "patients"],
}


@pytest.fixture(scope="module")
def frame(study: Study) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    table = study().assign(bond=lambda f: 10 * f["wai"] + rng.normal(size=len(f)))
    table.loc[3, "distress"] = 200.0
    return table[table.index != 9]


@pytest.fixture(scope="module")
def result(frame: pd.DataFrame) -> Multiverse:
    return alliance_multiverse(frame, question=ASKED, choices=CHOICES, random=PLAIN, progress=False)


def test_all_combinations_are_run(result: Multiverse) -> None:
    table = result.tidy()
    assert result.n_specifications == table["model"].nunique() == 8
    assert len(table[["detrend", "covariates", "centring"]].drop_duplicates()) == 8
    assert len(table) == 8 * 3


def test_each_specification_is_the_model_fitted_on_its_own(frame: pd.DataFrame, result: Multiverse) -> None:
    alone = alliance_outcome(
        frame,
        **ASKED,  # type: ignore[call-overload]
        detrend="linear",
        covariates=Adjustments(previous_outcome=False),
        random=OutcomeModel(slopes=(), weights="patients"),
    ).by_level()
    own = result.tidy().query("detrend == 'linear' and covariates == 'time alone' and centring == 'patients'")
    for name in ("estimate", "std_error", "df", "p_value", "conf_low", "std_estimate", "n_sessions", "n_patients"):
        np.testing.assert_allclose(own[name], alone[name], rtol=1e-9)


def test_the_summary_counts_over_specifications(result: Multiverse) -> None:
    row = result.summary().set_index("level").loc["patient"]
    own = result.tidy().query("level == 'patient'")
    assert row["median"] == pytest.approx(own["estimate"].median())
    assert (row["lowest"], row["highest"]) == (own["estimate"].min(), own["estimate"].max())
    same = np.sign(own["estimate"]) == np.sign(own["estimate"].median())
    assert row["share_same_sign"] == pytest.approx(same.mean())
    assert row["share_below_05"] == pytest.approx((same & (own["p_value"] < 0.05)).mean())


def test_glance_and_notes_say_what_was_run(result: Multiverse) -> None:
    row = result.glance().iloc[0]
    assert (row["n_specifications"], row["n_estimated"], row["level"]) == (8, 8, "session")
    text = " ".join(result.notes)
    assert "given before any result was seen" in text
    assert "detrend: none, linear; covariates: full, time alone; centring: sessions, patients" in text
    assert "no replications" in text


def test_tidy_speaks_the_vocabulary_first(result: Multiverse) -> None:
    names = list(result.tidy())
    known = [name for name in COLUMNS if name in names]
    assert names[: len(known)] == known
    assert names[-3:] == ["detrend", "covariates", "centring"]


def test_outliers_are_left_out_by_the_rule(frame: pd.DataFrame) -> None:
    found = (
        alliance_multiverse(
            frame, question=ASKED, choices={"outliers": ["none", "3sd", "3sd_within"]}, random=PLAIN, progress=False
        )
        .tidy()
        .drop_duplicates("model")
        .set_index("outliers")
    )
    assert found["n_outliers"].to_dict()["none"] == 0
    far = {name: (frame[name] - frame[name].mean()).abs() > 3 * frame[name].std() for name in ("wai", "distress")}
    assert found["n_outliers"].to_dict()["3sd"] == sum(int(own.sum()) for own in far.values()) > 0
    cleaned = frame.assign(**{name: frame[name].mask(own) for name, own in far.items()})
    alone = alliance_outcome(cleaned, **ASKED, detrend=None, random=PLAIN)  # type: ignore[call-overload]
    assert found.loc["3sd", "estimate"] == pytest.approx(alone.by_level()["estimate"][0], rel=1e-9)
    within = frame["distress"] - frame.groupby("patient")["distress"].transform("mean")
    pooled = np.sqrt((within**2).sum() / (len(frame) - 40))
    wai = frame["wai"] - frame.groupby("patient")["wai"].transform("mean")
    expected = int(
        (within.abs() > 3 * pooled).sum() + (wai.abs() > 3 * np.sqrt((wai**2).sum() / (len(frame) - 40))).sum()
    )
    assert found["n_outliers"].to_dict()["3sd_within"] == expected


def test_alliance_outcome_lag_and_slopes_can_be_choices(frame: pd.DataFrame) -> None:
    table = frame.assign(calm=-frame["distress"])
    choices = {
        "alliance": ["wai", "bond"],
        "outcome": ["distress", "calm"],
        "lag": [1, 2],
        "slopes": [("patient",), ()],
    }
    found = alliance_multiverse(table, question=ASKED, choices=choices, progress=False)
    assert found.n_specifications == 16
    assert found.standardised
    session = (
        found.tidy().query("level == 'session' and slopes == 'none' and lag == '1'").set_index(["predictor", "outcome"])
    )
    assert session.loc[("wai", "distress"), "std_estimate"] == pytest.approx(
        -session.loc[("wai", "calm"), "std_estimate"]
    )
    low, high = session.loc[("wai", "distress"), ["std_conf_low", "std_conf_high"]]
    ratio = session.loc[("wai", "distress"), "std_estimate"] / session.loc[("wai", "distress"), "estimate"]
    assert low == pytest.approx(ratio * session.loc[("wai", "distress"), "conf_low"])
    assert low < session.loc[("wai", "distress"), "std_estimate"] < high
    assert set(found.tidy()["n_sessions"]) < set(range(100, 201))


def test_the_summary_is_standardised_where_scales_differ(frame: pd.DataFrame) -> None:
    found = alliance_multiverse(
        frame, question=ASKED, choices={"alliance": ["wai", "bond"]}, random=PLAIN, progress=False
    )
    own = found.tidy().query("level == 'session'")
    assert found.summary()["median"][0] == pytest.approx(own["std_estimate"].median())
    assert any("standardised slopes" in note for note in found.notes)


def test_a_specification_without_estimate_is_kept_with_its_reason(frame: pd.DataFrame) -> None:
    found = alliance_multiverse(frame, question=ASKED, choices={"lag": [1, 9]}, random=PLAIN, progress=False)
    assert (found.n_specifications, len(found.failures)) == (2, 1)
    assert found.failures["reason"][0].startswith("No patient has ratings of 'wai' at a lag of 9")
    assert any("1 specification could not be estimated" in note for note in found.notes)


def test_results_do_not_depend_on_workers(frame: pd.DataFrame) -> None:
    runs = [
        alliance_multiverse(
            frame, question=ASKED, choices={"detrend": [None, "linear"]}, random=PLAIN, n_jobs=n_jobs, progress=False
        ).tidy()
        for n_jobs in (1, 2)
    ]
    pd.testing.assert_frame_equal(runs[0], runs[1])


def test_the_defensible_choices_are_the_default_and_make_48_models(
    monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame
) -> None:
    sizes = {name: len(options) for name, options in defensible_choices().items()}
    assert np.prod(list(sizes.values())) == 48
    monkeypatch.setattr(
        "alliance_stats.process.multiverse.defensible_choices",
        lambda: {"outliers": ["none"], "detrend": [None, "linear"]},
    )
    found = alliance_multiverse(frame, question=ASKED, random=PLAIN, progress=False)
    assert (found.n_specifications, found.dimensions) == (2, ("detrend",))


def test_progress_is_shown_when_asked_for(frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    alliance_multiverse(frame, question=ASKED, choices={"lag": [1]}, random=PLAIN, progress=True)
    assert "specifications" in capsys.readouterr().err


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"choices": {"detrned": [None]}}, DataError, r"No choice 'detrned'(?s:.*)did you mean 'detrend'"),
    ({"choices": {"detrend": ["loess"]}}, DataError, r"No detrend option 'loess'(?s:.*)linear"),
    ({"choices": {"outliers": ["2sd"]}}, DataError, r"No rule for outliers '2sd'(?s:.*)3sd"),
    ({"choices": {"centring": "sessions"}}, DataError, r"'centring' is not a list of options"),
    ({"choices": {"lag": []}}, DataError, r"'lag' has no option, or one twice"),
    ({"choices": {"lag": [1, 1]}}, DataError, r"'lag' has no option, or one twice"),
    ({"choices": {"covariates": ["session"]}}, DataError, r"option of covariates is of type str(?s:.*)Adjustments"),
    ({"choices": {"lag": list(range(1, 60)), "outcome": [f"y{i}" for i in range(60)]}}, DataError, r"make 3540 models"),
    ({"question": {"alliance": "wai", "lag": 1}}, DataError, r"does not say 'outcome'(?s:.*)for example"),
    ({"question": {**ASKED, "random": ()}}, DataError, r"no part 'random'"),
    ({"choices": {"lag": [9]}}, ModelError, r"None of 1 specification can(?s:.*)at a lag of 9(?s:.*)follow its advice"),
    (
        {"choices": {"slopes": [()]}, "random": ("patient",)},
        ModelError,
        r"slopes cannot be a choice(?s:.*)leave random=",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_input_is_refused_with_a_remedy(
    options: dict[str, Any], error: type[Exception], message: str, frame: pd.DataFrame
) -> None:
    with pytest.raises(error, match=message):
        alliance_multiverse(frame, **{"question": ASKED, "choices": {"lag": [1]}, "progress": False, **options})
