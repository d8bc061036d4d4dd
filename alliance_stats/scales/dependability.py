"""How many sessions, items, raters or patients are enough for a wished reliability."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, listing, unknown_name
from alliance_stats.result import Result
from alliance_stats.scales.facet_components import ITEM
from alliance_stats.scales.generalizability import Generalizability
from alliance_stats.scales.multilevel_reliability import MultilevelReliability
from alliance_stats.scales.projection import needed_count, project

KINDS = ("relative", "absolute")
MAX_DESIGNS = 10_000
"""Designs that a table may hold."""


@dataclass(frozen=True, kw_only=True)
class Dependability(Result):
    """Reliability of planned designs; made by `dependability`.

    Parameters
    ----------
    table : DataFrame
        See `tidy`.
    requirements : DataFrame
        See `needed`.
    facets : tuple of str
        Facets of the design, the one with most planned numbers first.
    objects : str
        What is measured.
    wished : float
        Reliability asked for.
    """

    table: pd.DataFrame
    requirements: pd.DataFrame
    facets: tuple[str, ...]
    objects: str
    wished: float

    def tidy(self) -> pd.DataFrame:
        """Return the coefficient of each design.

        Returns
        -------
        DataFrame
            One row per design and coefficient: kind (relative, for comparing objects, or absolute, for scores at face
            value), estimate, n_session and so on (conditions of each facet), error (its standard deviation, in points),
            reached (whether the estimate is as high as wished).
        """
        return self.table.copy()

    def needed(self) -> pd.DataFrame:
        """Return the numbers that reach the wish.

        Returns
        -------
        DataFrame
            One row per facet and coefficient: term (facet), kind, estimate (smallest number, infinite if none is enough), and the
            numbers of the other facets that were held, n_session and so on.
        """
        return self.requirements.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: wished, n_designs, n_reached (designs that reach it by the relative coefficient)."""
        relative = self.table[self.table["kind"] == "relative"]
        row = {"wished": self.wished, "n_designs": len(relative), "n_reached": int(relative["reached"].sum())}
        return pd.DataFrame([row])


def dependability(
    study: Generalizability | MultilevelReliability,
    *,
    wished: float = 0.8,
    counts: Mapping[str, int | Sequence[int]] | None = None,
    fixed: Collection[str] = (),
) -> Dependability:
    """Compute the reliability of means over other numbers of sessions, items, raters or patients.

    Use it to plan: how many sessions per patient, or patients per therapist, until means are reliable enough. The relative
    coefficient answers for comparisons among objects rated in the same conditions, the absolute one for scores taken at face
    value, such as against a cut-off.

    Parameters
    ----------
    study : Generalizability or MultilevelReliability
        Variance components.
    wished : float in (0, 1)
        Reliability wanted.
    counts : mapping of str to int or sequence of int, optional
        Planned numbers of conditions by facet; facets left out keep their mean number in the data. Without it, 1 to 20 of
        the first facet.
    fixed : collection of str
        Facets whose conditions are the ones of interest, such as 'item' for a questionnaire that stays as it is. Their numbers
        change nothing in what they are a sample of, as they are none.

    Returns
    -------
    Dependability
        `tidy` holds all designs, `needed` the smallest number of each facet with the others held at their first planned
        number, `plot` the curves with the wish.

    Raises
    ------
    DataError
        If a facet is unknown, a number is below 1, all facets are fixed, or ``wished`` is not between 0 and 1.

    See Also
    --------
    generalizability, multilevel_reliability

    Notes
    -----
    A decision study: every component is divided by the product of the numbers of its facets. Relative: objects' variance
    (with that of objects and fixed facets) over itself plus the components that hold objects and random facets. Absolute:
    over itself plus all components with random facets. With items fixed the relative coefficient of patients over sessions is
    the RKR of `multilevel_reliability` without differences between sessions, t / K.

    References
    ----------
    Brennan, R. L. (2001). Generalizability theory. Springer. https://doi.org/10.1007/978-1-4757-3456-0

    Shavelson, R. J., & Webb, N. M. (1991). Generalizability theory: A primer. Sage.

    Examples
    --------
    >>> import alliance_stats as al
    >>> ratings = al.load_sample("therapist_statements").query("session <= 3")
    >>> plan = al.dependability(al.multilevel_reliability(ratings, "wai_{}"), wished=0.7, counts={"session": range(1, 9)})
    >>> bool(plan.tidy().query("kind == 'relative'")["estimate"].is_monotonic_increasing)
    True
    """
    source = study if isinstance(study, Generalizability) else study.study
    if not 0 < wished < 1:
        raise DataError.build(f"wished = {wished} is not between 0 and 1.", hint="use 0.8.")
    designs = _designs(source, counts, fixed)
    n_designs = int(np.prod([len(numbers) for numbers in designs.values()]))
    if n_designs > MAX_DESIGNS:
        raise DataError.build(
            f"{n_designs} designs.", hint=f"plan fewer numbers per facet; {MAX_DESIGNS} are possible."
        )
    table = _table(source, designs, fixed=fixed, wished=wished)
    outer = source.objects - set(source.nested.values()) if len(source.objects) > 1 else source.objects
    return Dependability(
        table=table,
        requirements=_requirements(source, designs, fixed=fixed, wished=wished),
        facets=tuple(sorted(designs, key=lambda name: -len(designs[name]))),
        objects=next(iter(outer)),
        wished=wished,
        notes=tuple(_notes(source, designs, fixed, counts)),
    )


def _designs(
    source: Generalizability, counts: Mapping[str, int | Sequence[int]] | None, fixed: Collection[str]
) -> dict[str, list[float]]:
    """Return the numbers planned of each facet."""
    planned: Mapping[str, int | Sequence[int]] = {source.facets[0]: range(1, 21)} if counts is None else counts
    for name in (*planned, *fixed):
        if name not in source.facets:
            raise unknown_name(DataError, "facet", name, source.facets)
    if set(fixed) >= set(source.facets):
        raise DataError.build(f"All facets are fixed: {listing(source.facets)}.", hint="leave one out of fixed=.")
    designs: dict[str, list[float]] = {}
    for name in source.facets:
        given = planned.get(name, None)
        numbers = [source.counts[name]] if given is None else [given] if isinstance(given, int) else list(given)
        if not numbers or min(numbers) < 1:
            raise DataError.build(f"counts of '{name}' are {listing(numbers)}.", hint="use numbers from 1 upwards.")
        designs[name] = [float(number) for number in numbers]
    return designs


def _table(
    source: Generalizability, designs: Mapping[str, list[float]], *, fixed: Collection[str], wished: float
) -> pd.DataFrame:
    """Return one row per coefficient and design."""
    rows = []
    for kind in KINDS:
        for numbers in product(*designs.values()):
            counts = dict(zip(designs, numbers, strict=True))
            found = project(source.components, source.objects, counts=counts, fixed=fixed)
            value = found.relative if kind == "relative" else found.absolute
            error = found.relative_error if kind == "relative" else found.absolute_error
            head = {"kind": kind, "estimate": value, **{f"n_{name}": count for name, count in counts.items()}}
            rows.append({**head, "error": float(np.sqrt(error)), "reached": value >= wished})
    return pd.DataFrame(rows)


def _requirements(
    source: Generalizability, designs: Mapping[str, list[float]], *, fixed: Collection[str], wished: float
) -> pd.DataFrame:
    """Return one row per facet and coefficient."""
    held = {name: numbers[0] if len(numbers) == 1 else source.counts[name] for name, numbers in designs.items()}
    rows = []
    for facet in (name for name in designs if name not in fixed):
        for kind in KINDS:
            number = needed_count(
                source.components,
                source.objects,
                facet,
                counts=held,
                fixed=fixed,
                wished=wished,
                absolute=kind == "absolute",
            )
            others = {f"n_{name}": count if name != facet else np.nan for name, count in held.items()}
            rows.append({"term": facet, "kind": kind, "estimate": number, **others})
    return pd.DataFrame(rows)


def _notes(
    source: Generalizability,
    designs: Mapping[str, list[float]],
    fixed: Collection[str],
    counts: Mapping[str, int | Sequence[int]] | None,
) -> list[str]:
    """Return what a reader must know of the designs."""
    kept = [name for name in designs if counts is None or name not in counts]
    held = [f"{designs[name][0]:.4g} {name}s" for name in kept if len(designs[name]) == 1]
    notes = [
        f"Universe: {listing(sorted(source.objects))}; fixed facets: {listing(fixed) if fixed else 'none'}; others random.",
        *source.notes,
    ]
    if held:
        notes.insert(1, f"Held at the mean number in the data: {listing(held)}.")
    if ITEM in designs and ITEM not in fixed:
        notes.append("More or fewer items are taken from the same population of items.")
    return notes
