"""What must hold for every instrument and all answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alliance_stats.scales.instrument import FOLDER, bundled_keys, load_instrument, read_instrument
from alliance_stats.scales.instrument_parts import Instrument
from alliance_stats.scales.keying import keyed_answers, score_values, tally
from alliance_stats.scales.scoring import score

LOADABLE = [key for key in bundled_keys() if read_instrument(FOLDER / f"{key}.toml").loadable]
QUICK = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])

instruments = st.sampled_from(LOADABLE).map(load_instrument)


@st.composite
def filled_forms(draw: st.DrawFn, missing: bool = False) -> tuple[Instrument, str, pd.DataFrame]:
    """Return an instrument, a storage and a frame of 1 to 8 forms with columns i1, i2 ..."""
    instrument = draw(instruments)
    storage = draw(st.sampled_from(sorted(instrument.storages)))
    low, high = np.array(instrument.minimum), np.array(instrument.maximum)
    shape = (draw(st.integers(1, 8)), len(low))
    share = draw(arrays(float, shape, elements=st.floats(0, 1)))
    answers = np.rint(low + share * (high - low))
    if missing:
        answers = np.where(draw(arrays(bool, shape)), np.nan, answers)
    return instrument, storage, pd.DataFrame(answers, columns=[f"i{item}" for item in range(1, len(low) + 1)])


def all_scores(instrument: Instrument, storage: str, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the scores by the numerical layer, without checks and warnings."""
    entries = list(instrument.scores.values())
    counted = tally(
        lambda item: frame[f"i{item}"].to_numpy(),
        entries,
        instrument=instrument,
        storage=instrument.storages[storage],
    )
    return {entry.name: score_values(entry, counted[entry.items], missing=entry.missing) for entry in entries}


@QUICK
@given(filled_forms())
def test_reversing_twice_gives_the_answers_back(form: tuple[Instrument, str, pd.DataFrame]) -> None:
    instrument, name, frame = form
    storage = instrument.storages[name]
    for item in range(1, frame.shape[1] + 1):
        answers = frame[f"i{item}"].to_numpy()
        once = keyed_answers(answers, item, instrument=instrument, storage=storage)
        assert keyed_answers(once, item, instrument=instrument, storage=storage) == pytest.approx(answers)


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
def test_complete_answers_have_every_score(form: tuple[Instrument, str, pd.DataFrame]) -> None:
    assert not any(np.isnan(values).any() for values in all_scores(*form).values())


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
    plain = score(frame, instrument, items="i{}", storage=way, missing="complete")
    prorated = score(frame, instrument, items="i{}", storage=way, missing={"max_missing": 1})
    pd.testing.assert_frame_equal(plain, prorated, check_exact=True)


@QUICK
@given(filled_forms(missing=True))
@pytest.mark.filterwarnings("ignore::alliance_stats.errors.AllianceStatsWarning")
def test_person_mean_equals_filling_in_the_mean_by_hand(form: tuple[Instrument, str, pd.DataFrame]) -> None:
    instrument, storage, frame = form
    way = None if storage == "as_printed" else storage
    entry = next(iter(instrument.scores.values()))
    most = len(entry.items) - 1
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
