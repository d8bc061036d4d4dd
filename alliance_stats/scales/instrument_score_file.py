"""Read the scores of an instrument file, refusing whatever cannot be right."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from typing import Any, cast, get_args

from alliance_stats.scales.instrument_parts import Direction, MissingRule, MissingRuleName, Rule, Score
from alliance_stats.scales.instrument_ranges import reach
from alliance_stats.scales.instrument_score import PRORATED
from alliance_stats.scales.toml_reader import TableReader


def known_sources(reader: TableReader, known: set[str]) -> tuple[str, ...]:
    """Return the source ids of a table, which must exist.

    Parameters
    ----------
    reader : TableReader
        The table; its entry ``sources`` may be left out.
    known : set of str
        The ids that exist.

    Returns
    -------
    tuple of str

    Raises
    ------
    InstrumentError
        If an id does not exist.
    """
    ids = reader.texts("sources", ())
    unknown = [source for source in ids if source not in known]
    if unknown:
        raise reader.error(
            f"no source has the id '{unknown[0]}'.",
            f"known ids: {', '.join(sorted(known)) or 'none'}.",
            entry="sources",
        )
    return ids


def read_missing(reader: TableReader, known: set[str]) -> MissingRule:
    """Return a rule for missing answers.

    Parameters
    ----------
    reader : TableReader
        The table.
    known : set of str
        Ids of the sources that exist.

    Returns
    -------
    MissingRule

    Raises
    ------
    InstrumentError
        If entries contradict one another, or if neither a source nor a note is given.
    """
    rule = cast(MissingRuleName, reader.choice("rule", get_args(MissingRuleName)))
    most = reader.whole("max_missing", 0)
    if (rule == "complete") != (most == 0) or most < 0:
        raise reader.error(
            f"rule '{rule}' with max_missing = {most}.",
            "person_mean, answered and form_mean need max_missing of 1 or more, complete none.",
            entry="rule",
        )
    sources = known_sources(reader, known)
    note = reader.text("note", "")
    if not sources and not note:
        raise reader.error("the rule has no source.", "name sources, or say in 'note' that no rule was found.")
    reader.done()
    return MissingRule(rule=rule, max_missing=most, sources=sources, note=note)


def read_score(
    reader: TableReader, name: str, *, found: Mapping[str, Any], missing: MissingRule, known: set[str]
) -> Score:
    """Return one score whose declared range is the one its items can reach.

    Parameters
    ----------
    reader : TableReader
        The table of the score.
    name : str
        Its name.
    found : mapping
        What is known of the answers: n_items, minimum, maximum.
    missing : MissingRule
        The rule of the instrument, unless the score has one of its own.
    known : set of str
        Ids of the sources that exist.

    Returns
    -------
    Score

    Raises
    ------
    InstrumentError
        If an entry is missing, unknown or impossible.
    """
    rule = cast(Rule, reader.choice("rule", get_args(Rule)))
    goals = rule == "goal_attainment"
    items = () if goals else reader.items("items", found["n_items"])
    if not items and not goals:
        raise reader.error("'items' is empty.", "a score needs at least one item.", entry="items")
    own = read_missing(reader.table("missing"), known) if reader.has("missing") else missing
    low, high = _ends(reader)
    score = Score(
        name=name,
        items=items,
        rule=rule,
        factor=reader.number("factor", 1),
        offset=reader.number("offset", 0),
        low=low,
        high=high,
        direction=cast(Direction, reader.choice("direction", get_args(Direction))),
        label=reader.text("label"),
        missing=own,
        sources=known_sources(reader, known),
        sum_low=sum(found["minimum"][item - 1] for item in items),
        sum_high=sum(found["maximum"][item - 1] for item in items),
        **_details(reader, rule, items, found),
    )
    if not score.sources:
        raise reader.error("the score has no source.", 'name at least one, such as sources = ["manual"].')
    reader.done()
    _check_missing(reader, score)
    _check_range(reader, score, found)
    return score


def _ends(reader: TableReader) -> tuple[float, float]:
    """Return the two ends of 'range'."""
    ends = reader.numbers("range")
    if len(ends) != 2:
        raise reader.error(
            "'range' must hold the lowest and the highest score.", "write range = [12, 60].", entry="range"
        )
    return ends[0], ends[1]


def _details(reader: TableReader, rule: Rule, items: tuple[int, ...], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that only some rules have."""
    if rule == "weighted_sum":
        weights = reader.numbers("weights")
        if len(weights) != len(items):
            problem = f"{len(weights)} weights for {len(items)} items."
            raise reader.error(problem, "give one weight per item, in the order of 'items'.", entry="weights")
        return {"weights": weights}
    if rule in ("count_above", "mean_above"):
        return {"above": reader.number("above")}
    if rule == "ratio":
        over = reader.items("over", found["n_items"])
        if not over:
            raise reader.error("'over' is empty.", "a ratio needs items to divide by.", entry="over")
        return {"over": over}
    if rule == "lookup":
        return {"table": _lookup_table(reader, items, found)}
    if rule == "goal_attainment":
        rho = reader.number("rho")
        if not 0 <= rho < 1:
            raise reader.error(f"'rho' is {rho:g}.", "a correlation among goals lies between 0 and 1.", entry="rho")
        return {"rho": rho}
    return {}


def _lookup_table(reader: TableReader, items: tuple[int, ...], found: Mapping[str, Any]) -> dict[float, float]:
    """Return the table of a score that is looked up: an entry for every possible sum."""
    values = reader.numbers("table")
    low = sum(found["minimum"][item - 1] for item in items)
    high = sum(found["maximum"][item - 1] for item in items)
    n_sums = int(high - low) + 1
    if len(values) != n_sums:
        raise reader.error(
            f"'table' has {len(values)} entries.",
            f"give one score for each sum from {low:g} to {high:g}, {n_sums} in all.",
            entry="table",
        )
    return {low + place: value for place, value in enumerate(values)}


def _check_missing(reader: TableReader, score: Score) -> None:
    """Raise if the rule for missing answers does not fit the score."""
    rule = score.missing
    if rule.rule == "person_mean" and score.rule not in PRORATED:
        raise reader.error(
            f"a score by '{score.rule}' cannot be prorated.", "give it a rule of its own: missing = { rule = ... }."
        )
    if score.items and rule.max_missing >= len(score.items):
        raise reader.error(
            f"max_missing = {rule.max_missing} for {len(score.items)} items.", "at least one item must be answered."
        )


def _check_range(reader: TableReader, score: Score, found: Mapping[str, Any]) -> None:
    """Raise if the declared range is not the one that the items can reach."""
    low, high = reach(score, found["minimum"], found["maximum"])
    if not (isclose(low, score.low, abs_tol=5e-5) and isclose(high, score.high, abs_tol=5e-5)):
        what = (
            "the T score" if score.rule == "goal_attainment" else f"the {score.rule} of these {len(score.items)} items"
        )
        raise reader.error(
            f"the range {score.low:g}-{score.high:g} is impossible.",
            f"{what} runs from {low:g} to {high:g}.",
            entry="range",
        )
