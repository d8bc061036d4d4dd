"""The bundled instruments: every key comes out on its worked examples and would not if it were wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import InstrumentError
from alliance_stats.scales.examples import failing_examples, shortened, unnoticed_errors
from alliance_stats.scales.instrument import FOLDER, bundled_keys, list_instruments, load_instrument, read_instrument
from alliance_stats.scales.instrument_parts import Instrument
from alliance_stats.scales.instrument_ranges import as_form
from alliance_stats.scales.keying import keyed_answers
from alliance_stats.scales.scoring import score

ALL = {key: read_instrument(FOLDER / f"{key}.toml") for key in bundled_keys()}
LOADABLE = [key for key, instrument in ALL.items() if instrument.loadable]
REFUSED = [key for key, instrument in ALL.items() if not instrument.loadable]
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "instrument_keys.json").read_text(encoding="utf-8"))[
    "instruments"
]
GOLDEN_EXAMPLES = [(key, number) for key, entry in GOLDEN.items() for number in range(len(entry["examples"]))]
EXAMPLES = [(key, number) for key in LOADABLE for number in range(len(ALL[key].examples))]

KEYS = [
    # key, items, lowest and highest answer, reversed items
    ("wai_sr", 12, 1, 5, set()),
    ("wai_36", 36, 1, 7, {1, 3, 7, 9, 10, 11, 12, 15, 20, 27, 29, 31, 33, 34}),
    ("wai_s", 12, 1, 7, {4, 10}),
    ("srs_v3", 4, 0, 10, set()),
    ("ors", 4, 0, 10, set()),
    ("phq_9", 9, 0, 3, set()),
    ("gad_7", 7, 0, 3, set()),
    ("core_10", 10, 0, 4, {2, 3}),
    ("core_om", 34, 0, 4, {3, 4, 7, 12, 19, 21, 31, 32}),
    ("haq_ii", 19, 1, 6, {4, 8, 11, 16, 19}),
    ("hccq_15", 15, 1, 7, {13}),
    ("oq_45", 45, 0, 4, {1, 12, 13, 20, 21, 24, 31, 37, 43}),
    ("tasc_r", 12, 1, 4, {2, 5, 7, 8, 11}),
]


def flipped(instrument: Instrument, way: str, item: int) -> Instrument:
    """Return the instrument with one item's reversal the other way round."""
    storage = instrument.storages[way]
    changed = replace(storage, reversed_items=storage.reversed_items ^ {item})
    return replace(instrument, storages={**instrument.storages, way: changed})


def scored_row(
    instrument: Instrument, answers: list[float], *, storage: str | None, weights: list[float] | None = None
) -> pd.Series:
    """Score one form by the public function."""
    columns = [f"item_{item:02d}" for item in range(1, len(answers) + 1)]
    frame = pd.DataFrame([answers], columns=columns, dtype=float)
    items: Any = columns
    if instrument.has_goals:
        frame = frame.assign(**{f"weight_{item:02d}": [w] for item, w in enumerate(weights or [], start=1)})
        items = {"level": "item_{}", "weight": "weight_{}"}
    return score(frame, instrument, items=items, storage=storage).iloc[0]


@pytest.mark.filterwarnings("ignore::alliance_stats.errors.AllianceStatsWarning")
@pytest.mark.parametrize(("key", "number"), EXAMPLES)
def test_worked_example_comes_out_of_a_frame(key: str, number: int) -> None:
    example = ALL[key].examples[number]
    instrument = load_instrument(key, form=example.form)
    row = scored_row(instrument, list(example.answers), storage=example.storage, weights=list(example.weights))
    for name, expected in example.scores.items():
        assert row[f"{key}_{name}"] == pytest.approx(expected, abs=5.1e-5, nan_ok=True)


@pytest.mark.filterwarnings("ignore::alliance_stats.errors.AllianceStatsWarning")
@pytest.mark.parametrize(("key", "number"), GOLDEN_EXAMPLES)
def test_worked_example_collected_with_the_sources_comes_out(key: str, number: int) -> None:
    entry = GOLDEN[key]
    example = entry["examples"][number]
    answers = [np.nan if answer is None else answer for answer in example["answers"]]
    storage = None if entry["storage"] == "as_printed" else entry["storage"]
    row = scored_row(ALL[key], answers, storage=storage, weights=example.get("weights"))
    for name, expected in example["scores"].items():
        value = np.nan if expected is None else expected
        assert row[f"{key}_{name}"] == pytest.approx(value, abs=5.1e-5, nan_ok=True)


def test_every_scored_instrument_has_a_key_collected_with_its_sources() -> None:
    assert sorted(GOLDEN) == sorted(LOADABLE)


@pytest.mark.parametrize("key", list(GOLDEN))
def test_key_is_the_one_collected_with_the_sources(key: str) -> None:
    instrument, entry = ALL[key], GOLDEN[key]
    assert instrument.n_items == entry["n_items"]
    for way, items in entry["reversed"].items():
        assert sorted(instrument.storages[way].reversed_items) == items
    for name, items in entry["items"].items():
        assert sorted(instrument.scores[name].items) == items


@pytest.mark.parametrize(("key", "n_items", "low", "high", "turned"), KEYS)
def test_items_range_and_reversals_are_those_of_the_form(
    key: str, n_items: int, low: float, high: float, turned: set[int]
) -> None:
    instrument = ALL[key]
    assert instrument.n_items == n_items
    assert (set(instrument.minimum), set(instrument.maximum)) == ({low}, {high})
    assert instrument.storage_named(None).reversed_items == turned


@pytest.mark.parametrize("key", LOADABLE)
def test_flipping_any_reversal_breaks_an_example(key: str) -> None:
    instrument = ALL[key]
    # An item without a highest answer cannot be reversed.
    used = {item for entry in instrument.scores.values() for item in entry.items}
    used -= {item for item in used if instrument.maximum[item - 1] == np.inf}
    unnoticed = [
        (way, item)
        for way in instrument.storages
        for item in used
        if not failing_examples(flipped(instrument, way, item))
    ]
    assert not unnoticed


@pytest.mark.parametrize("key", LOADABLE)
def test_leaving_any_item_out_of_any_score_breaks_an_example(key: str) -> None:
    instrument = ALL[key]
    unnoticed = []
    for name, entry in instrument.scores.items():
        for item in entry.all_items:
            shorter = shortened(entry, item)
            if not shorter.items or (entry.over and not shorter.over):
                continue
            if not failing_examples(replace(instrument, scores={**instrument.scores, name: shorter})):
                unnoticed.append((name, item))
    assert not unnoticed


@pytest.mark.parametrize("key", LOADABLE)
def test_exchanging_an_item_with_one_of_another_score_breaks_an_example(key: str) -> None:
    # An exchange goes unnoticed exactly if both items have the same keyed answers in all examples.
    instrument = ALL[key]
    if instrument.has_goals:
        return
    for way, storage in instrument.storages.items():
        stored = None if way == "as_printed" else way
        answers = np.array([entry.answers for entry in instrument.examples if entry.storage == stored])
        keyed = {
            item: tuple(keyed_answers(answers[:, item - 1], item, instrument=instrument, storage=storage))
            for item in range(1, answers.shape[1] + 1)
        }
        for entry in instrument.scores.values():
            inside = {keyed[item] for item in entry.items}
            outside = {keyed[item] for item in keyed if item not in entry.all_items}
            assert not inside & outside


@pytest.mark.parametrize("key", LOADABLE)
def test_check_of_a_file_finds_no_error_that_the_examples_would_miss(key: str) -> None:
    assert unnoticed_errors(ALL[key]) == []


def test_check_of_a_file_names_what_its_examples_would_miss() -> None:
    instrument = ALL["core_10"]
    alike = replace(
        instrument.examples[0], answers=(2.0,) * 10, scores={"sum": 20.0, "clinical": 20.0, "mean": 2.0}, storage=None
    )
    found = unnoticed_errors(replace(instrument, examples=(alike,)))
    assert "item 2 reversed or not (as_printed)" in found
    assert "item 1 in score 'mean' or not" in found
    scales = unnoticed_errors(replace(ALL["gad_7"], examples=(ALL["gad_7"].examples[1],)))
    assert scales == []


@pytest.mark.parametrize("key", [key for key in LOADABLE if ALL[key].forms])
def test_form_leaves_its_items_out_and_keeps_the_range_true(key: str) -> None:
    for name, form in ALL[key].forms.items():
        version = as_form(ALL[key], name)
        for score_name, entry in version.scores.items():
            assert not form.left_out & set(entry.items)
            lowest = scored_row(version, list(version.minimum), storage=None)[f"{key}_{score_name}"]
            highest = scored_row(version, list(version.maximum), storage=None)[f"{key}_{score_name}"]
            assert (lowest, highest) == (entry.low, entry.high)


@pytest.mark.parametrize("key", LOADABLE)
def test_every_fact_has_a_source(key: str) -> None:
    instrument = ALL[key]
    assert instrument.sources
    assert instrument.key_sources
    assert all(skip.sources for skip in instrument.skips)
    assert instrument.validity is None or instrument.validity.sources
    assert all(entry.sources for entry in instrument.scores.values())
    assert all(entry.sources for entry in instrument.benchmarks)
    assert all(entry.missing.sources or entry.missing.note for entry in instrument.scores.values())
    assert instrument.licence
    assert instrument.confidence in ("two sources", "one source")


@pytest.mark.parametrize("key", list(ALL))
def test_sources_can_be_cited_and_none_is_from_memory(key: str) -> None:
    text = (FOLDER / f"{key}.toml").read_text(encoding="utf-8").lower()
    assert "not citable" not in text
    assert "memory" not in text.replace("working memory", "")
    assert "public code" not in text


@pytest.mark.parametrize("key", list(ALL))
def test_file_holds_no_item_wording(key: str) -> None:
    # Questionnaire items speak in the first person.
    text = (FOLDER / f"{key}.toml").read_text(encoding="utf-8")
    assert not re.search(r"(?<!-)\b(I|my|me|we|our)\b(?![.,)-])", text)


@pytest.mark.parametrize("key", REFUSED)
def test_instrument_without_a_supported_key_is_refused_with_the_reason(key: str) -> None:
    with pytest.raises(InstrumentError, match=re.escape(ALL[key].reason)) as caught:
        load_instrument(key)
    assert "Hint: with the manual at hand" in str(caught.value)


def test_list_shows_every_bundled_file_once() -> None:
    table = list_instruments()
    assert sorted(table["key"]) == sorted(path.stem for path in FOLDER.glob("*.toml"))


def test_list_says_what_can_be_scored() -> None:
    table = list_instruments().set_index("key")
    assert table.loc[LOADABLE, "loadable"].all()
    assert not table.loc[REFUSED, "loadable"].any()
    assert table.loc["wai_sr", "scores"] == "sum, mean, task, bond, goal"
    assert table.loc["core_10", ["n_items", "response_min", "response_max"]].tolist() == [10, 0, 4]
    assert table.loc["phq_9", "direction"] == "higher_is_worse"
    assert pd.isna(table.loc["tes", "n_items"])
    assert table.loc["wai_36", ["score_min", "score_max"]].tolist() == [36, 252]
    assert table.loc["hads", "storages"] == "printed_values, list_positions, agreement_codes"
    assert table.loc["wsas", "forms"] == "not_working"
    assert (table["reason"] == "").equals(table["loadable"])
    assert "cannot be cited" in table.loc["arm_5", "reason"]


def test_forty_six_instruments_are_scored() -> None:
    assert len(LOADABLE) == 46
    assert {"arm_5", "cultural_humility", "seq_form5"} <= set(REFUSED)


def test_unknown_form_names_those_that_exist() -> None:
    with pytest.raises(InstrumentError, match=r"No WSAS form 'retired'. Known: not_working"):
        load_instrument("wsas", form="retired")
    with pytest.raises(InstrumentError, match=r"known in one form only(.|\n)*Hint: leave form= out"):
        load_instrument("phq_9", form="short")


def test_one_benchmark_of_several_has_to_be_chosen() -> None:
    oq = load_instrument("oq_45")
    with pytest.raises(InstrumentError, match=r"3 of 3 entries of reliable_change(.|\n)*which=: 14, US.*Netherlands"):
        oq.benchmark("reliable_change", score="sum")
    assert oq.benchmark("reliable_change", score="sum", which="spain").value == 17.56
    assert oq.benchmark("cutoff", score="sum", which="netherlands").value == 56


def test_benchmark_that_no_source_gives_is_refused() -> None:
    with pytest.raises(InstrumentError, match=r"no norm of score 'sum' was found(.|\n)*give the number yourself"):
        load_instrument("wai_sr").benchmark("norm", score="sum")


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(InstrumentError, match=r"No instrument 'wai-sr'(.|\n)*Hint: did you mean 'wai_sr'"):
        load_instrument("wai-sr")


def test_score_that_no_source_supports_is_refused_with_the_reason() -> None:
    with pytest.raises(InstrumentError, match=r"score 'task' is not computed: which items(.|\n)*Hint: use one of: sum"):
        load_instrument("wai_s").score_named("task")


def test_unknown_score_names_the_nearest() -> None:
    with pytest.raises(InstrumentError, match=r"'bonds'(.|\n)*did you mean 'bond'"):
        load_instrument("wai_sr").score_named("bonds")


def test_repr_says_how_the_instrument_is_scored() -> None:
    text = repr(load_instrument("core_10"))
    assert "reversed: 2, 3" in text
    assert "at most 1 item missing" in text
    assert "CC BY-ND" in text


def test_repr_of_a_refused_instrument_gives_the_reason() -> None:
    assert "not scored: its key was not read." in repr(ALL["rri_t"])


def test_html_shows_scores_and_escapes() -> None:
    html = replace(load_instrument("wai_sr"), name="<b>x</b>")._repr_html_()
    assert "&lt;b&gt;x" in html
    assert "score bond" in html


def test_citation_has_the_doi() -> None:
    assert load_instrument("wsas").cite().endswith("https://doi.org/10.1192/bjp.180.5.461")


def test_storage_that_is_not_known_is_refused() -> None:
    with pytest.raises(InstrumentError, match=r"no storage 'list_positions'(.|\n)*leave storage= out"):
        load_instrument("phq_9").storage_named("list_positions")
    with pytest.raises(InstrumentError, match=r"no storage 'x'(.|\n)*printed_values"):
        load_instrument("hads").storage_named("x")
