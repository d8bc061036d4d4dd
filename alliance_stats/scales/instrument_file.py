"""Turn an instrument file into an `Instrument`, refusing whatever cannot be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf, isnan
from typing import Any, cast, get_args

from alliance_stats.scales.instrument_parts import (
    Benchmark,
    BenchmarkKind,
    Confidence,
    Example,
    Form,
    Instrument,
    Score,
    Skip,
    Source,
    Storage,
    Validity,
)
from alliance_stats.scales.instrument_score_file import known_sources, read_missing, read_score
from alliance_stats.scales.toml_reader import Lines, TableReader

FORMAT = 1
SIDES = ("at_or_above", "above", "at_or_below", "below")
PRINTED = "as_printed"
GOALS = "goals"
_KEY = re.compile(r"[a-z][a-z0-9_]*")


def parse_instrument(table: Mapping[str, Any], where: str, *, lines: Lines | None = None) -> Instrument:
    """Check the entries of an instrument file and return the instrument.

    Parameters
    ----------
    table : mapping of str to object
        The TOML file as read.
    where : str
        Name of the file, for messages.
    lines : mapping of tuple to int, optional
        Line numbers of the entries, for messages.

    Returns
    -------
    Instrument

    Raises
    ------
    InstrumentError
        If an entry is missing, unknown or of the wrong type, or if entries contradict one another.
    """
    reader = TableReader(table, where, lines=lines)
    if reader.whole("format") != FORMAT:
        raise reader.error("'format' is not 1.", "this version of alliance_stats reads format = 1.", entry="format")
    sources = _sources(reader)
    known = {source.id for source in sources}
    general: dict[str, Any] = {
        "key": _name(reader, "key"),
        "name": reader.text("name"),
        "abbreviation": reader.text("abbreviation"),
        "construct": reader.text("construct"),
        "raters": reader.texts("raters"),
        "citation": reader.text("citation"),
        "doi": reader.text("doi", ""),
        "licence": reader.text("licence"),
        "confidence": cast(Confidence, reader.choice("confidence", get_args(Confidence))),
        "confidence_note": reader.text("confidence_note", ""),
        "remarks": reader.texts("remarks", ()),
        "sources": sources,
    }
    loadable = reader.truth("loadable", True)
    specific = _scored(reader, known) if loadable else _refused(reader)
    reader.done()
    return Instrument(**general, **specific)


def _sources(reader: TableReader) -> tuple[Source, ...]:
    """Return the sources, ids unique."""
    sources: list[Source] = []
    for entry in reader.tables("sources"):
        source = Source(id=_name(entry, "id"), ref=entry.text("ref"), fact=entry.text("fact"))
        entry.done()
        if source.id in {other.id for other in sources}:
            raise entry.error(f"the id '{source.id}' is used twice.", "give every source an id of its own.", entry="id")
        sources.append(source)
    return tuple(sources)


def _name(reader: TableReader, entry: str) -> str:
    """Return a name that can stand in a column name."""
    value = reader.text(entry)
    if not _KEY.fullmatch(value):
        raise reader.error(
            f"'{entry}' is '{value}'.",
            "use lower-case letters, digits and underscores, a letter first, such as wai_sr.",
            entry=entry,
        )
    return value


def _refused(reader: TableReader) -> dict[str, Any]:
    """Return what is known of an instrument that may not be scored."""
    found: dict[str, Any] = {"reason": reader.text("reason")}
    responses = reader.table("responses", {})
    if responses.has("n_items"):
        found["n_items"] = responses.whole("n_items")
    if responses.has("minimum"):
        n_items = found.get("n_items", 1)
        found["minimum"] = (responses.number("minimum"),) * n_items
        found["maximum"] = (responses.number("maximum"),) * n_items
    responses.done()
    return found


def _scored(reader: TableReader, known: set[str]) -> dict[str, Any]:
    """Return items, scores and examples of an instrument that may be scored."""
    responses = reader.table("responses")
    found = _responses(responses, known)
    found["storages"] = _storages(reader, responses, found)
    responses.done()
    missing = read_missing(reader.table("missing"), known)
    scores = reader.table("scores")
    found["scores"] = {
        name: read_score(scores.table(_score_name(scores, name)), name, found=found, missing=missing, known=known)
        for name in scores.names()
    }
    if not found["scores"]:
        raise scores.error("no score.", "add [scores.sum] or another score.")
    if any(score.rule == "goal_attainment" for score in found["scores"].values()):
        found["n_items"] = None
    found["forms"] = _forms(reader.table("forms", {}), found, known)
    found["skips"] = tuple(_skip(entry, found, known) for entry in reader.tables("skips"))
    found["validity"] = _validity(reader.table("validity"), known) if reader.has("validity") else None
    found["unavailable"] = _texts_by_name(reader.table("unavailable", {}), set(found["scores"]))
    found["confused_with"] = _texts_by_name(reader.table("confused_with", {}), set())
    found["benchmarks"] = tuple(_benchmark(entry, found["scores"], known) for entry in reader.tables("benchmarks"))
    found["examples"] = tuple(_example(entry, found) for entry in reader.tables("examples"))
    _require_examples(reader, found)
    return found


def _score_name(reader: TableReader, name: str) -> str:
    """Return the name of a score if it can end a column name."""
    if not _KEY.fullmatch(name):
        raise reader.error(
            f"a score is called '{name}'.", "use lower-case letters, digits and underscores.", entry=name
        )
    return name


def _require_examples(reader: TableReader, found: Mapping[str, Any]) -> None:
    """Raise if there is no worked example, or none for a score or a form."""
    examples = found["examples"]
    if not examples:
        raise reader.error("no worked example.", "add [[examples]] with raw answers and the scores they must give.")
    untested = set(found["scores"]) - {name for example in examples for name in example.scores}
    if untested:
        raise reader.error(f"no worked example for {', '.join(sorted(untested))}.", "add the score to an example.")
    bare = set(found["forms"]) - {example.form for example in examples}
    if bare:
        raise reader.error(
            f"no worked example for the form {', '.join(sorted(bare))}.", 'add an example with form = "...".'
        )


def _responses(reader: TableReader, known: set[str]) -> dict[str, Any]:
    """Return number of items, lowest and highest answer of each, step, and answers allowed."""
    goals = reader.is_text("n_items") and reader.text("n_items") == GOALS
    n_items = 1 if goals else reader.whole("n_items")
    if n_items < 1:
        raise reader.error(f"'n_items' is {n_items}.", "an instrument has at least one item.", entry="n_items")
    low = [reader.number("minimum")] * n_items
    high = [reader.number("maximum")] * n_items
    step = reader.number("step", 1)
    key_sources = known_sources(reader, known)
    allowed = {}
    for entry in reader.tables("exceptions"):
        for item in entry.items("items", n_items):
            low[item - 1] = entry.number("minimum", low[item - 1])
            high[item - 1] = entry.number("maximum", high[item - 1])
            if entry.has("allowed"):
                allowed[item] = entry.numbers("allowed")
        entry.done()
    for item, (lowest, highest) in enumerate(zip(low, high, strict=True), start=1):
        if not lowest < highest:
            raise reader.error(
                f"item {item} runs from {lowest:g} to {highest:g}.",
                "minimum must be below maximum.",
                entry="minimum",
            )
    if not 0 < step <= high[0] - low[0]:
        raise reader.error(
            f"'step' is {step:g}.", "use 1 for whole numbers, 0.1 for a line read to the millimetre.", entry="step"
        )
    return {
        "n_items": n_items,
        "minimum": tuple(low),
        "maximum": tuple(high),
        "step": step,
        "allowed": allowed,
        "item_names": _item_names(reader, n_items),
        "key_sources": key_sources,
    }


def _item_names(reader: TableReader, n_items: int) -> tuple[str, ...]:
    """Return the names of the items, one each, none for printed numbers."""
    names = reader.texts("item_names", ())
    if names and (len(names) != n_items or len(set(names)) < n_items):
        raise reader.error(
            f"'item_names' holds {len(set(names))} different names for {n_items} items.",
            "give one name per item.",
            entry="item_names",
        )
    return names


def _storages(reader: TableReader, responses: TableReader, found: Mapping[str, Any]) -> dict[str, Storage]:
    """Return the ways in which answers may be stored; the printed one when the reversed items are given for it."""
    n_items = found["n_items"]
    ways: dict[str, Storage] = {}
    if responses.has("reversed") or not reader.has("storage"):
        items = frozenset(responses.items("reversed", n_items))
        ways[PRINTED] = Storage(name=PRINTED, description="as printed on the form", reversed_items=items)
    table = reader.table("storage", {})
    for name in table.names():
        way = table.table(name)
        items = frozenset(way.items("reversed", n_items))
        description = way.text("description")
        ways[name] = Storage(name=name, description=description, reversed_items=items, shift=way.number("shift", 0))
        way.done()
    for way_name, storage in ways.items():
        endless = [item for item in storage.reversed_items if found["maximum"][item - 1] == inf]
        if endless:
            raise responses.error(
                f"item {endless[0]} has no highest answer and cannot be reversed ({way_name}).",
                "take it out of 'reversed', or give it a maximum.",
            )
    return ways


def _forms(reader: TableReader, found: Mapping[str, Any], known: set[str]) -> dict[str, Form]:
    """Return the versions in which some items are not asked."""
    forms = {}
    for name in reader.names():
        entry = reader.table(name)
        left_out = frozenset(entry.items("left_out", found["n_items"]))
        forms[name] = Form(
            name=name,
            description=entry.text("description"),
            left_out=left_out,
            sources=known_sources(entry, known),
        )
        if not left_out:
            raise entry.error("'left_out' is empty.", "list the items that are not asked.", entry="left_out")
        entry.done()
    return forms


def _skip(reader: TableReader, found: Mapping[str, Any], known: set[str]) -> Skip:
    """Return one rule about items that may be skipped."""
    skip = Skip(
        when_items=reader.items("when_items", found["n_items"]),
        when_sum=reader.number("when_sum"),
        skipped=reader.items("skipped", found["n_items"]),
        counts_as=reader.number("counts_as", 0),
        sources=known_sources(reader, known),
    )
    if not skip.sources:
        raise reader.error("the rule has no source.", "name the source it was read in.")
    reader.done()
    return skip


def _validity(reader: TableReader, known: set[str]) -> Validity:
    """Return when a form counts as not filled in."""
    validity = Validity(
        max_missing=reader.whole("max_missing") if reader.has("max_missing") else None,
        same_answers=reader.truth("same_answers", False),
        sources=known_sources(reader, known),
    )
    if not validity.sources:
        raise reader.error("the rule has no source.", "name the source it was read in.")
    reader.done()
    return validity


def _texts_by_name(reader: TableReader, taken: set[str]) -> dict[str, str]:
    """Return a table of texts whose names are not taken."""
    for name in reader.names():
        if name in taken:
            raise reader.error(
                f"'{name}' is a score as well.", "a score is either computed or unavailable.", entry=name
            )
    return {name: reader.text(name) for name in reader.names()}


def _benchmark(reader: TableReader, scores: Mapping[str, Score], known: set[str]) -> Benchmark:
    """Return a cut-off, change or norm that fits its score."""
    kind = cast(BenchmarkKind, reader.choice("kind", get_args(BenchmarkKind)))
    name = reader.choice("score", tuple(scores))
    value = reader.number("value")
    benchmark = Benchmark(
        kind=kind,
        score=name,
        value=value,
        meaning=reader.text("meaning"),
        side=reader.choice("side", SIDES) if kind == "cutoff" else "",
        sd=reader.number("sd") if reader.has("sd") else None,
        n=reader.whole("n") if reader.has("n") else None,
        sample=reader.text("sample", ""),
        country=reader.text("country", ""),
        sources=known_sources(reader, known),
    )
    reader.done()
    change = kind in ("reliable_change", "minimal_change")
    low, high = (0.0, scores[name].high - scores[name].low) if change else (scores[name].low, scores[name].high)
    if not low <= value <= high:
        raise reader.error(
            f"{kind} {value:g} lies outside {low:g}-{high:g}.", "check the score it belongs to.", entry="value"
        )
    if not benchmark.sources:
        raise reader.error(f"the {kind} has no source.", "name the source it was read in, or leave it out.")
    return benchmark


def _example(reader: TableReader, found: Mapping[str, Any]) -> Example:
    """Return a worked example whose answers and scores exist."""
    label = reader.text("label")
    ways: Mapping[str, Storage] = found["storages"]
    storage = reader.choice("storage", tuple(ways), PRINTED if PRINTED in ways else None)
    answers = reader.numbers("answers")
    weights = reader.numbers("weights") if found["n_items"] is None else ()
    _check_answers(reader, answers, found, shift=ways[storage].shift)
    if len(weights) not in (0, len(answers)):
        problem = f"{len(weights)} weights for {len(answers)} goals."
        raise reader.error(problem, "give one weight per goal.", entry="weights")
    table = reader.table("scores")
    scores = {name: table.number(name) for name in table.names()}
    wrong = [name for name in scores if name not in found["scores"]]
    if wrong or not scores:
        problem = f"the example gives the unknown score '{wrong[0]}'." if wrong else "the example gives no score."
        raise reader.error(problem, f"scores: {', '.join(found['scores'])}.", entry="scores")
    form = reader.choice("form", tuple(found["forms"])) if reader.has("form") else None
    reader.done()
    chosen = None if storage == PRINTED else storage
    return Example(label=label, answers=answers, scores=scores, storage=chosen, form=form, weights=weights)


def _check_answers(reader: TableReader, answers: tuple[float, ...], found: Mapping[str, Any], *, shift: float) -> None:
    """Raise if an example does not have one possible answer per item."""
    n_items = found["n_items"]
    if n_items is not None and len(answers) != n_items:
        raise reader.error(
            f"{len(answers)} answers for {n_items} items.",
            "give one answer per item, nan where missing.",
            entry="answers",
        )
    low, high = found["minimum"], found["maximum"]
    for item, answer in enumerate(answers, start=1):
        place = 0 if n_items is None else item - 1
        if not isnan(answer) and not low[place] <= answer + shift <= high[place]:
            raise reader.error(
                f"answer {answer:g} to item {item} lies outside {low[place] - shift:g}-{high[place] - shift:g}.",
                "correct the answer.",
                entry="answers",
            )
