"""An instrument: what is known of a questionnaire and its scoring key. Nothing is read or computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from alliance_stats.errors import InstrumentError, listing, unknown_name
from alliance_stats.scales.instrument_score import (
    Direction,
    MissingRule,
    MissingRuleName,
    Part,
    Rule,
    Score,
)
from alliance_stats.scales.instrument_values import (
    Benchmark,
    BenchmarkKind,
    Confidence,
    Example,
    Form,
    Skip,
    Source,
    Storage,
    Validity,
)

__all__ = [
    "Benchmark",
    "BenchmarkKind",
    "Confidence",
    "Direction",
    "Example",
    "Form",
    "Instrument",
    "MissingRule",
    "MissingRuleName",
    "Part",
    "Rule",
    "Score",
    "Skip",
    "Source",
    "Storage",
    "Validity",
]


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
    allowed : mapping of int to tuple of float
        The answers allowed to items that do not take every value of their range.
    item_names : tuple of str
        Names of the items, for ratings that have no printed numbers; empty else.
    storages : mapping of str to Storage
        Ways of storing the answers. ``as_printed`` is taken unless the user names another; where it is not among them,
        the user has to choose.
    forms : mapping of str to Form
        Versions in which some items are not asked; ``load_instrument(key, form=...)`` returns one of them.
    form : str
        The form this instrument is; empty for the complete one.
    skips : tuple of Skip
        Items that may be skipped, and what they count then.
    validity : Validity or None
        When a whole form counts as not filled in.
    key_sources : tuple of str
        Ids of the sources of items, range and reversals.
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
    allowed: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    item_names: tuple[str, ...] = ()
    storages: Mapping[str, Storage] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    forms: Mapping[str, Form] = field(default_factory=dict)
    form: str = ""
    skips: tuple[Skip, ...] = ()
    validity: Validity | None = None
    key_sources: tuple[str, ...] = ()
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

    @property
    def has_goals(self) -> bool:
        """Whether the items are goals, whose number and weights differ by person."""
        return any(score.rule == "goal_attainment" for score in self.scores.values())

    def refs(self, ids: tuple[str, ...]) -> str:
        """Return where the named sources are found, joined into one text."""
        where = {source.id: source.ref for source in self.sources}
        return listing([where[name] for name in ids])

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

    def benchmark(self, kind: BenchmarkKind, *, score: str, which: str | None = None) -> Benchmark:
        """Return one cut-off, change or norm; never choose between several.

        Parameters
        ----------
        kind : {"cutoff", "reliable_change", "minimal_change", "norm"}
            What is wanted.
        score : str
            The score it is for.
        which : str, optional
            A piece of the meaning, sample or country that tells it from the others, such as ``"Dutch"``.

        Returns
        -------
        Benchmark

        Raises
        ------
        InstrumentError
            If there is none, or if several fit; the choices are listed.

        Examples
        --------
        >>> from alliance_stats.scales.instrument import load_instrument
        >>> load_instrument("oq_45").benchmark("reliable_change", score="sum", which="Dutch").value
        18.0
        """
        name = self.score_named(score).name
        of_kind = [entry for entry in self.benchmarks if entry.kind == kind and entry.score == name]
        fitting = [entry for entry in of_kind if which is None or which.lower() in entry.describe().lower()]
        if len(fitting) == 1:
            return fitting[0]
        choices = "; ".join(f"{entry.describe()} [{self.refs(entry.sources)}]" for entry in of_kind)
        if not of_kind:
            raise InstrumentError.build(
                f"{self.abbreviation}: no {kind} of score '{name}' was found in a source.",
                hint="give the number yourself, with its source.",
            )
        raise InstrumentError.build(
            f"{self.abbreviation}: {len(fitting)} of {len(of_kind)} entries of {kind} for '{name}' fit.",
            hint=f"choose with which=: {choices}.",
        )

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
        if self.has_goals:
            return f"goals, as many as were set, rated {self.minimum[0]:g} to {self.maximum[0]:g}, each with a weight"
        if self.n_items is None:
            return "number of items not known"
        if not self.minimum:
            return f"{self.n_items} items"
        high = max(self.maximum)
        span = f"{min(self.minimum):g}-{high:g}" if high != float("inf") else f"{min(self.minimum):g} and more"
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
        lines += [("skips", skip.describe()) for skip in self.skips]
        lines += [("validity", self.validity.describe())] if self.validity else []
        lines += [(f"form {form.name}", form.description) for form in self.forms.values()]
        lines += [("items called", ", ".join(self.item_names))] if self.item_names else []
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
