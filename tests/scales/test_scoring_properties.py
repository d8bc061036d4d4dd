"""What must hold for every instrument and all answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alliance_stats.scales.evaluation import evaluate
from alliance_stats.scales.goals import goal_attainment_t
from alliance_stats.scales.instrument import bundled_keys, load_instrument, read_bundled
from alliance_stats.scales.instrument_parts import Instrument
from alliance_stats.scales.instrument_score import PRORATED
from alliance_stats.scales.keying import keyed_answers
from alliance_stats.scales.scoring import score

LOADABLE = [key for key in bundled_keys() if read_bundled(key).loadable and not read_bundled(key).has_goals]
COUNTS_UP_TO = 30
"""Stands for the highest count where a form sets none."""
QUICK = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])

instruments = st.sampled_from(LOADABLE).map(load_instrument)


@st.composite
def filled_forms(draw: st.DrawFn, missing: bool = False) -> tuple[Instrument, str, pd.DataFrame]:
    """Return an instrument, a storage and a frame of 1 to 8 forms with columns i1, i2 ..."""
    instrument = draw(instruments)
    storage = draw(st.sampled_from(sorted(instrument.storages)))
    shift = instrument.storages[storage].shift
    low, high = np.array(instrument.minimum), np.minimum(instrument.maximum, COUNTS_UP_TO)
    shape = (draw(st.integers(1, 8)), len(low))
    share = draw(arrays(float, shape, elements=st.floats(0, 1)))
    answers = np.rint(low + share * (high - low))
    for item, allowed in instrument.allowed.items():
        answers[:, item - 1] = np.array(allowed)[(share[:, item - 1] * (len(allowed) - 1)).astype(int)]
    answers = answers - shift
    if missing:
        answers = np.where(draw(arrays(bool, shape)), np.nan, answers)
    return instrument, storage, pd.DataFrame(answers, columns=[f"i{item}" for item in range(1, len(low) + 1)])


def all_scores(instrument: Instrument, storage: str, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the scores by the numerical layer, without checks and warnings."""
    found = evaluate(
        lambda item: frame[f"i{item}"].to_numpy(),
        instrument.scores,
        instrument=instrument,
        storage=instrument.storages[storage],
        rules={name: entry.missing for name, entry in instrument.scores.items()},
    )
    return dict(found.scores)


@QUICK
@given(filled_forms())
def test_reversing_twice_gives_the_answers_back(form: tuple[Instrument, str, pd.DataFrame]) -> None:
    instrument, name, frame = form
    storage = instrument.storages[name]
    for item in range(1, frame.shape[1] + 1):
        answers = frame[f"i{item}"].to_numpy()
        # What is stored otherwise is put right once, before anything is reversed.
        once = keyed_answers(answers, item, instrument=instrument, storage=storage)
        twice = keyed_answers(once, item, instrument=instrument, storage=replace(storage, shift=0.0))
        assert twice == pytest.approx(answers + storage.shift)


@QUICK
@given(filled_forms(missing=True))
def test_scores_stay_in_their_range(form: tuple[Instrument, str, pd.DataFrame]) -> None:
    instrument, storage, frame = form
    for name, values in all_scores(instrument, storage, frame).items():
        known = values[~np.isnan(values)]
        assert (known >= instrument.scores[name].low - 1e-9).all()
        assert (known <= instrument.scores[name].high + 1e-9).all()


@QUICK
@given(filled_forms())
def test_complete_answers_have_every_score_that_divides_by_nothing(form: tuple[Instrument, str, pd.DataFrame]) -> None:
    instrument = form[0]
    if instrument.validity is not None:
        return
    for name, values in all_scores(*form).items():
        if instrument.scores[name].rule not in ("ratio", "mean_above"):
            assert not np.isnan(values).any()


@QUICK
@given(filled_forms(missing=True), st.randoms(use_true_random=False))
@pytest.mark.filterwarnings("ignore::alliance_stats.errors.AllianceStatsWarning")
def test_order_of_columns_and_rows_does_not_matter(form: tuple[Instrument, str, pd.DataFrame], random: object) -> None:
    instrument, storage, frame = form
    way = None if storage == "as_printed" else storage
    columns, rows = list(frame.columns), list(frame.index)
    random.shuffle(columns)  # type: ignore[attr-defined]
    random.shuffle(rows)  # type: ignore[attr-defined]
    names = [f"{instrument.key}_{name}" for name in instrument.scores]
    plain = score(frame, instrument, items="i{}", storage=way)[names]
    shuffled = score(frame.loc[rows, columns], instrument, items="i{}", storage=way)[names]
    pd.testing.assert_frame_equal(shuffled.sort_index(), plain)


@QUICK
@given(filled_forms())
@pytest.mark.filterwarnings("ignore::alliance_stats.errors.AllianceStatsWarning")
def test_person_mean_changes_nothing_where_answers_are_complete(form: tuple[Instrument, str, pd.DataFrame]) -> None:
    instrument, storage, frame = form
    way = None if storage == "as_printed" else storage
    names = [name for name, entry in instrument.scores.items() if entry.rule in PRORATED and len(entry.items) > 1]
    if not names:
        return
    plain = score(frame, instrument, items="i{}", storage=way, missing="complete", scores=names)
    prorated = score(frame, instrument, items="i{}", storage=way, missing={"max_missing": 1}, scores=names)
    pd.testing.assert_frame_equal(plain, prorated, check_exact=True)


@QUICK
@given(filled_forms(missing=True))
@pytest.mark.filterwarnings("ignore::alliance_stats.errors.AllianceStatsWarning")
def test_person_mean_equals_filling_in_the_mean_by_hand(form: tuple[Instrument, str, pd.DataFrame]) -> None:
    instrument, storage, frame = form
    way = None if storage == "as_printed" else storage
    entry = next(iter(instrument.scores.values()))
    most = len(entry.items) - 1
    if most == 0 or instrument.skips or instrument.validity is not None:
        return
    scored = score(frame, instrument, items="i{}", storage=way, scores=[entry.name], missing={"max_missing": most})
    for row, values in enumerate(frame.to_numpy()):
        keyed = [
            float(
                keyed_answers(
                    values[item - 1 : item], item, instrument=instrument, storage=instrument.storages[storage]
                )[0]
            )
            for item in entry.items
        ]
        known = [value for value in keyed if not np.isnan(value)]
        mean = sum(known) / len(known) if known else np.nan
        filled = [mean if np.isnan(value) else value for value in keyed]
        by_hand = entry.factor * (sum(filled) / len(filled) if entry.rule == "mean" else sum(filled))
        assert scored[f"{instrument.key}_{entry.name}"].iloc[row] == pytest.approx(by_hand, nan_ok=True)


@QUICK
@given(
    arrays(float, (4, 3), elements=st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0])),
    arrays(float, (4, 3), elements=st.floats(0.1, 9)),
    st.floats(0.1, 10),
    st.floats(0, 0.9),
)
def test_goal_attainment_is_symmetric_around_fifty_and_does_not_depend_on_the_unit_of_the_weights(
    levels: np.ndarray, weights: np.ndarray, unit: float, rho: float
) -> None:
    plain = goal_attainment_t(levels, weights, rho=rho)
    assert goal_attainment_t(-levels, weights, rho=rho) == pytest.approx(100 - plain)
    assert goal_attainment_t(levels, unit * weights, rho=rho) == pytest.approx(plain)
    assert goal_attainment_t(levels[:, ::-1], weights[:, ::-1], rho=rho) == pytest.approx(plain)
    assert goal_attainment_t(levels[:, :1], weights[:, :1], rho=rho) == pytest.approx(50 + 10 * levels[:, 0])
