"""What an instrument is made of: its items, its scores, its sources. Values only; nothing is read or computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from alliance_stats.errors import InstrumentError, listing, unknown_name

Rule = Literal["sum", "mean"]
Direction = Literal["higher_is_better", "higher_is_worse"]
MissingRuleName = Literal["complete", "person_mean"]
Confidence = Literal["two sources", "one source", "not read", "own"]
BenchmarkKind = Literal["cutoff", "reliable_change", "minimal_change", "norm"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a fact was read: what it is called inside the file, where it is found, and what it says."""

    id: str
    ref: str
    fact: str


@dataclass(frozen=True, kw_only=True)
class MissingRule:
    """What happens to a score when answers are missing.

    Parameters
    ----------
    rule : {"complete", "person_mean"}
        ``complete``: one missing answer makes the score missing. ``person_mean``: missing answers count as the mean of
        the row's other answers to the items of the same score, after reversal.
    max_missing : int
        How many items of the score may be missing, 0 for ``complete``.
    sources : tuple of str
        Ids of the sources; empty when no rule was found.
    note : str
        One sentence about the rule.
    """

    rule: MissingRuleName = "complete"
    max_missing: int = 0
    sources: tuple[str, ...] = ()
    note: str = ""

    def describe(self) -> str:
        """Return the rule in words."""
        if self.rule == "complete":
            return "complete answers only"
        items = "item" if self.max_missing == 1 else "items"
        return f"person mean of the answered items, at most {self.max_missing} {items} missing"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score of an instrument: which items, how they are combined, what the number means.

    Parameters
    ----------
    name : str
        Ends the column name, ``<key>_<name>``.
    items : tuple of int
        Printed item numbers.
    rule : {"sum", "mean"}
        How the keyed answers are combined.
    factor : float
        Multiplies the sum or mean, 1 unless the instrument reports another metric.
    low, high : float
        Lowest and highest possible score.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher score says about the person or the relationship.
    label : str
        A reader's name for the score.
    missing : MissingRule
        What happens when answers are missing.
    sources : tuple of str
        Ids of the sources.
    """

    name: str
    items: tuple[int, ...]
    rule: Rule
    factor: float
    low: float
    high: float
    direction: Direction
    label: str
    missing: MissingRule
    sources: tuple[str, ...]

    def describe(self) -> str:
        """Return the rule and range in words, such as ``sum of 4 items, 4-20``."""
        times = "" if self.factor == 1 else f" x {self.factor:g}"
        return f"{self.rule} of {len(self.items)} items{times}, {self.low:g}-{self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Storage:
    """One way in which answers to the same form may have been stored, and the items to reverse then."""

    name: str
    description: str
    reversed_items: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A number to read a score against: a cut-off, a reliable or minimal change, or a norm.

    ``value`` is in points of the named score. ``side`` says on which side of a cut-off its meaning holds. For a norm,
    ``value`` is the mean and ``sd`` the standard deviation.
    """

    kind: BenchmarkKind
    score: str
    value: float
    meaning: str
    side: str = ""
    sd: float | None = None
    n: int | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Example:
    """A worked example: raw answers in item order (NaN where missing) and the scores they must give."""

    label: str
    answers: tuple[float, ...]
    scores: Mapping[str, float]
    storage: str | None = None


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A questionnaire with its scoring key, read from a TOML file.

    Hold no item wording: items are known by their printed numbers only.

    Parameters
    ----------
    key : str
        Short name; begins the names of score columns.
    name, abbreviation, construct : str
        What it is called and what it measures.
    raters : tuple of str
        Who answers it: patient, therapist, observer, partner ...
    n_items : int or None
        Number of items; None when not known.
    minimum, maximum : tuple of float
        Lowest and highest answer per item, each of length ``n_items``.
    step : float
        Distance between neighbouring answers: 1 for whole numbers, 0.1 for lines measured in millimetres of 10 cm.
    storages : mapping of str to Storage
        Ways of storing the answers. The only one is called ``as_printed`` unless the user has to choose.
    scores : mapping of str to Score
        The scores, total first.
    unavailable : mapping of str to str
        Scores that exist but are not computed, and why.
    benchmarks : tuple of Benchmark
        Cut-offs, changes and norms that have a source.
    confused_with : mapping of str to str
        Keys of instruments that are easily taken for this one, and how to tell them apart.
    citation, doi, licence : str
        How to cite it and what its licence allows.
    confidence : {"two sources", "one source", "not read", "own"}
        How well the scoring key is supported.
    confidence_note, remarks : str, tuple of str
        What was checked; errors in circulation.
    sources : tuple of Source
        Where each fact was read.
    examples : tuple of Example
        Worked examples, checked whenever the file is read.
    reason : str
        Why the instrument may not be scored; empty if it may.
    """

    key: str
    name: str
    abbreviation: str
    construct: str
    raters: tuple[str, ...]
    citation: str
    licence: str
    confidence: Confidence
    n_items: int | None = None
    minimum: tuple[float, ...] = ()
    maximum: tuple[float, ...] = ()
    step: float = 1.0
    storages: Mapping[str, Storage] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    benchmarks: tuple[Benchmark, ...] = ()
    confused_with: Mapping[str, str] = field(default_factory=dict)
    doi: str = ""
    confidence_note: str = ""
    remarks: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    examples: tuple[Example, ...] = ()
    reason: str = ""

    @property
    def loadable(self) -> bool:
        """Whether the instrument may be scored."""
        return not self.reason

    def score_named(self, name: str) -> Score:
        """Return one score of the instrument.

        Parameters
        ----------
        name : str
            For example ``"sum"``.

        Returns
        -------
        Score

        Raises
        ------
        InstrumentError
            If the instrument has no such score, or has one whose key is not supported by a source (the reason is
            given).

        Examples
        --------
        >>> from alliance_stats.scales.instrument import load_instrument
        >>> load_instrument("wai_sr").score_named("bond").items
        (3, 5, 7, 9)
        """
        if name in self.scores:
            return self.scores[name]
        if name in self.unavailable:
            raise InstrumentError.build(
                f"{self.abbreviation}: score '{name}' is not computed: {self.unavailable[name]}",
                hint=f"use one of: {listing(list(self.scores), 12)}; or write the key into a file of your own.",
            )
        raise unknown_name(InstrumentError, f"{self.abbreviation} score", name, list(self.scores))

    def storage_named(self, name: str | None) -> Storage:
        """Return how the answers are stored.

        Parameters
        ----------
        name : str or None
            None is allowed when there is only one way.

        Returns
        -------
        Storage

        Raises
        ------
        InstrumentError
            If a choice has to be made and none was, or if the instrument does not know the one that was.
        """
        ways = "; ".join(f"storage='{way.name}': {way.description}" for way in self.storages.values())
        if name is None:
            if "as_printed" in self.storages:
                return self.storages["as_printed"]
            raise InstrumentError.build(
                f"{self.abbreviation}: how the answers are stored decides which items are reversed.",
                hint=f"say which it is: {ways}.",
            )
        if name not in self.storages:
            known = [way for way in self.storages if way != "as_printed"]
            problem = f"{self.abbreviation}: no storage '{name}'."
            raise InstrumentError.build(problem, hint=f"known: {ways}." if known else "leave storage= out.")
        return self.storages[name]

    def cite(self) -> str:
        """Return the reference of the instrument, with its DOI where known.

        Returns
        -------
        str

        Examples
        --------
        >>> from alliance_stats.scales.instrument import load_instrument
        >>> load_instrument("srs_v3").cite()[:38]
        'Duncan, B. L., Miller, S. D., Sparks, '
        """
        return f"{self.citation} https://doi.org/{self.doi}" if self.doi else self.citation

    def describe_answers(self) -> str:
        """Return the number of items and the range of answers in words."""
        if self.n_items is None:
            return "number of items not known"
        if not self.minimum:
            return f"{self.n_items} items"
        span = f"{min(self.minimum):g}-{max(self.maximum):g}"
        decimals = "" if self.step == 1 else f" in steps of {self.step:g}"
        return f"{self.n_items} items answered {span}{decimals}"

    def describe_reversals(self) -> str:
        """Return the reversed items in words."""
        texts = []
        for way in self.storages.values():
            items = ", ".join(str(item) for item in sorted(way.reversed_items)) or "none"
            texts.append(f"reversed: {items}" if way.name == "as_printed" else f"reversed if {way.name}: {items}")
        return "; ".join(texts)

    def _facts(self) -> list[tuple[str, str]]:
        """Return label and text of each line of the display."""
        lines = [("answers", self.describe_answers()), ("rated by", ", ".join(self.raters))]
        if not self.loadable:
            return [*lines, ("not scored", self.reason), ("reference", self.cite())]
        lines.append(("items", self.describe_reversals()))
        for score in self.scores.values():
            direction = score.direction.replace("_", " ")
            lines.append((f"score {score.name}", f"{score.describe()}; {direction}; {score.missing.describe()}"))
        lines += [(f"no score {name}", reason) for name, reason in self.unavailable.items()]
        lines += [("not to be confused", f"{key}: {how}") for key, how in self.confused_with.items()]
        return [*lines, ("key", self.confidence), ("licence", self.licence), ("reference", self.cite())]

    def __repr__(self) -> str:
        facts = "\n".join(f"  {label}: {text}" for label, text in self._facts())
        return f"Instrument '{self.key}': {self.name}\n{facts}"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in self._facts())
        title = f"{escape(self.name)} (<code>{escape(self.key)}</code>)"
        return f'<table class="alliance-stats"><caption>{title}</caption><tbody>{rows}</tbody></table>'
