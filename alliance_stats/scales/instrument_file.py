"""Turn an instrument file into an `Instrument`, refusing whatever cannot be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isclose, isnan
from typing import Any, cast, get_args

from alliance_stats.scales.instrument_parts import (
    Benchmark,
    BenchmarkKind,
    Confidence,
    Direction,
    Example,
    Instrument,
    MissingRule,
    MissingRuleName,
    Rule,
    Score,
    Source,
    Storage,
)
from alliance_stats.scales.toml_reader import TableReader

FORMAT = 1
SIDES = ("at_or_above", "above", "at_or_below", "below")
_KEY = re.compile(r"[a-z][a-z0-9_]*")


def parse_instrument(table: Mapping[str, Any], where: str) -> Instrument:
    """Check the entries of an instrument file and return the instrument.

    Parameters
    ----------
    table : mapping of str to object
        The TOML file as read.
    where : str
        Name of the file, for messages.

    Returns
    -------
    Instrument

    Raises
    ------
    InstrumentError
        If an entry is missing, unknown or of the wrong type, or if entries contradict one another.
    """
    reader = TableReader(table, where)
    if reader.whole("format") != FORMAT:
        raise reader.error("'format' is not 1.", "this version of alliance_stats reads format = 1.")
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
            raise entry.error(f"the id '{source.id}' is used twice.", "give every source an id of its own.")
        sources.append(source)
    return tuple(sources)


def _name(reader: TableReader, entry: str) -> str:
    """Return a name that can stand in a column name."""
    value = reader.text(entry)
    if not _KEY.fullmatch(value):
        raise reader.error(
            f"'{entry}' is '{value}'.",
            "use lower-case letters, digits and underscores, a letter first, such as wai_sr.",
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
    n_items = found["n_items"]
    found["storages"] = _storages(reader, responses, n_items)
    responses.done()
    missing = _missing(reader.table("missing"), known)
    found["scores"] = _scores(reader.table("scores"), found, missing, known)
    found["unavailable"] = _texts_by_name(reader.table("unavailable", {}), set(found["scores"]))
    found["confused_with"] = _texts_by_name(reader.table("confused_with", {}), set())
    found["benchmarks"] = tuple(_benchmark(entry, found["scores"], known) for entry in reader.tables("benchmarks"))
    found["examples"] = tuple(_example(entry, found) for entry in reader.tables("examples"))
    if not found["examples"]:
        raise reader.error("no worked example.", "add [[examples]] with raw answers and the scores they must give.")
    untested = set(found["scores"]) - {name for example in found["examples"] for name in example.scores}
    if untested:
        raise reader.error(f"no worked example for {', '.join(sorted(untested))}.", "add the score to an example.")
    return found


def _responses(reader: TableReader, known: set[str]) -> dict[str, Any]:
    """Return number of items, lowest and highest answer of each, and step."""
    n_items = reader.whole("n_items")
    if n_items < 1:
        raise reader.error(f"'n_items' is {n_items}.", "an instrument has at least one item.")
    low = [reader.number("minimum")] * n_items
    high = [reader.number("maximum")] * n_items
    step = reader.number("step", 1)
    _known_sources(reader, known)
    for entry in reader.tables("exceptions"):
        for item in entry.items("items", n_items):
            low[item - 1] = entry.number("minimum", low[item - 1])
            high[item - 1] = entry.number("maximum", high[item - 1])
        entry.done()
    for item, (lowest, highest) in enumerate(zip(low, high, strict=True), start=1):
        if not lowest < highest:
            raise reader.error(f"item {item} runs from {lowest:g} to {highest:g}.", "minimum must be below maximum.")
    if not 0 < step <= high[0] - low[0]:
        raise reader.error(f"'step' is {step:g}.", "use 1 for whole numbers, 0.1 for a line read to the millimetre.")
    return {"n_items": n_items, "minimum": tuple(low), "maximum": tuple(high), "step": step}


def _storages(reader: TableReader, responses: TableReader, n_items: int) -> dict[str, Storage]:
    """Return the ways in which answers may be stored."""
    if not reader.has("storage"):
        items = frozenset(responses.items("reversed", n_items))
        return {"as_printed": Storage(name="as_printed", description="as printed on the form", reversed_items=items)}
    if responses.has("reversed"):
        raise responses.error("'reversed' and [storage] exclude one another.", "list the reversed items per storage.")
    found = {}
    table = reader.table("storage")
    for name in table.names():
        way = table.table(name)
        items = frozenset(way.items("reversed", n_items))
        found[name] = Storage(name=name, description=way.text("description"), reversed_items=items)
        way.done()
    return found


def _missing(reader: TableReader, known: set[str]) -> MissingRule:
    """Return the rule for missing answers."""
    rule = cast(MissingRuleName, reader.choice("rule", get_args(MissingRuleName)))
    most = reader.whole("max_missing", 0)
    if (rule == "complete") != (most == 0) or most < 0:
        raise reader.error(
            f"rule '{rule}' with max_missing = {most}.", "person_mean needs max_missing of 1 or more, complete none."
        )
    sources = _known_sources(reader, known)
    note = reader.text("note", "")
    if not sources and not note:
        raise reader.error("the rule has no source.", "name sources, or say in 'note' that no rule was found.")
    reader.done()
    return MissingRule(rule=rule, max_missing=most, sources=sources, note=note)


def _scores(reader: TableReader, found: Mapping[str, Any], missing: MissingRule, known: set[str]) -> dict[str, Score]:
    """Return the scores by name."""
    scores = {}
    for name in reader.names():
        if not _KEY.fullmatch(name):
            raise reader.error(f"a score is called '{name}'.", "use lower-case letters, digits and underscores.")
        scores[name] = _score(reader.table(name), name, found, missing, known)
    if not scores:
        raise reader.error("no score.", "add [scores.sum] or another score.")
    return scores


def _score(reader: TableReader, name: str, found: Mapping[str, Any], missing: MissingRule, known: set[str]) -> Score:
    """Return one score whose declared range is the one its items can reach."""
    items = reader.items("items", found["n_items"])
    if not items:
        raise reader.error("'items' is empty.", "a score needs at least one item.")
    own = _missing(reader.table("missing"), known) if reader.has("missing") else missing
    if own.max_missing >= len(items):
        raise reader.error(
            f"max_missing = {own.max_missing} for {len(items)} items.", "at least one item must be answered."
        )
    score = Score(
        name=name,
        items=items,
        rule=cast(Rule, reader.choice("rule", get_args(Rule))),
        factor=reader.number("factor", 1),
        low=_ends(reader)[0],
        high=_ends(reader)[1],
        direction=cast(Direction, reader.choice("direction", get_args(Direction))),
        label=reader.text("label"),
        missing=own,
        sources=_known_sources(reader, known),
    )
    if not score.sources:
        raise reader.error("the score has no source.", 'name at least one, such as sources = ["manual"].')
    reader.done()
    _check_range(reader, score, found)
    return score


def _ends(reader: TableReader) -> tuple[float, float]:
    """Return the two ends of 'range'."""
    ends = reader.numbers("range")
    if len(ends) != 2:
        raise reader.error("'range' must hold the lowest and the highest score.", "write range = [12, 60].")
    return ends[0], ends[1]


def _check_range(reader: TableReader, score: Score, found: Mapping[str, Any]) -> None:
    """Raise if the declared range is not the one that the items can reach."""
    scale = score.factor / (len(score.items) if score.rule == "mean" else 1)
    low = sum(found["minimum"][item - 1] for item in score.items) * scale
    high = sum(found["maximum"][item - 1] for item in score.items) * scale
    if not (isclose(low, score.low, abs_tol=1e-9) and isclose(high, score.high, abs_tol=1e-9)):
        raise reader.error(
            f"the range {score.low:g}-{score.high:g} is impossible.",
            f"the {score.rule} of these {len(score.items)} items runs from {low:g} to {high:g}.",
        )


def _known_sources(reader: TableReader, known: set[str]) -> tuple[str, ...]:
    """Return source ids that exist."""
    ids = reader.texts("sources", ())
    unknown = [source for source in ids if source not in known]
    if unknown:
        raise reader.error(f"no source has the id '{unknown[0]}'.", f"known ids: {', '.join(sorted(known)) or 'none'}.")
    return ids


def _texts_by_name(reader: TableReader, taken: set[str]) -> dict[str, str]:
    """Return a table of texts whose names are not taken."""
    for name in reader.names():
        if name in taken:
            raise reader.error(f"'{name}' is a score as well.", "a score is either computed or unavailable.")
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
        sources=_known_sources(reader, known),
    )
    reader.done()
    change = kind in ("reliable_change", "minimal_change")
    low, high = (0.0, scores[name].high - scores[name].low) if change else (scores[name].low, scores[name].high)
    if not low <= value <= high:
        raise reader.error(f"{kind} {value:g} lies outside {low:g}-{high:g}.", "check the score it belongs to.")
    if not benchmark.sources:
        raise reader.error(f"the {kind} has no source.", "name the source it was read in, or leave it out.")
    return benchmark


def _example(reader: TableReader, found: Mapping[str, Any]) -> Example:
    """Return a worked example whose answers and scores exist."""
    label = reader.text("label")
    answers = reader.numbers("answers")
    if len(answers) != found["n_items"]:
        raise reader.error(
            f"{len(answers)} answers for {found['n_items']} items.", "give one answer per item, nan where missing."
        )
    for item, (answer, low, high) in enumerate(zip(answers, found["minimum"], found["maximum"], strict=True), start=1):
        if not isnan(answer) and not low <= answer <= high:
            raise reader.error(
                f"answer {answer:g} to item {item} lies outside {low:g}-{high:g}.", "correct the answer."
            )
    table = reader.table("scores")
    scores = {name: table.number(name) for name in table.names()}
    wrong = [name for name in scores if name not in found["scores"]]
    if wrong or not scores:
        problem = f"the example gives the unknown score '{wrong[0]}'." if wrong else "the example gives no score."
        raise reader.error(problem, f"scores: {', '.join(found['scores'])}.")
    ways = found["storages"]
    storage = reader.choice("storage", tuple(ways)) if "as_printed" not in ways else None
    reader.done()
    return Example(label=label, answers=answers, scores=scores, storage=storage)
