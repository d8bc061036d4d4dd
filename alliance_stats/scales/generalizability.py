"""A generalizability study: how much of the answers' variance each facet carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_stats.columns import as_names, group_codes, require_columns, require_unique_sessions
from alliance_stats.errors import DataError, listing
from alliance_stats.result import Result
from alliance_stats.scales.answers import Items, raw_answers
from alliance_stats.scales.facet_components import (
    ITEM,
    Components,
    Effect,
    closed_effects,
    effect_codes,
    estimate_components,
    with_parents,
)
from alliance_stats.scales.item_sample import IntArray, columns_as_they_are, refuse_infinite
from alliance_stats.scales.keying import FloatArray


@dataclass(frozen=True, kw_only=True)
class Generalizability(Result):
    """Variance components of a measurement; made by `generalizability`.

    Parameters
    ----------
    components : mapping of frozenset of str to float
        Variance of each effect, in squared points; the effect of all facets is the residual.
    objects : frozenset of str
        What is measured, with what it is nested in.
    facets : tuple of str
        The other facets, 'item' last if there are several items.
    nested : mapping of str to str
        Facet to the facet it is nested in.
    counts : mapping of str to float
        Mean number of conditions of each facet in the data.
    n : int
        Rows used.
    """

    components: Mapping[Effect, float]
    objects: Effect
    facets: tuple[str, ...]
    nested: Mapping[str, str]
    counts: Mapping[str, float]
    n: int

    def tidy(self) -> pd.DataFrame:
        """Return one row per effect: term ('patient:item', residual last), kind (variance), estimate, share (of the sum)."""
        total = sum(self.components.values())
        order = [*sorted(self.objects, key=self._depth), *self.facets]
        last = max(len(effect) for effect in self.components)
        rows = []
        for effect in sorted(
            self.components, key=lambda chosen: (len(chosen), [order.index(n) for n in order if n in chosen])
        ):
            name = "residual" if len(effect) == last else ":".join(n for n in order if n in effect)
            value = self.components[effect]
            share = value / total if total > 0 else float("nan")
            rows.append({"term": name, "kind": "variance", "estimate": value, "share": share})
        return pd.DataFrame(rows)

    def _depth(self, name: str) -> int:
        return len(with_parents([name], self.nested))

    def glance(self) -> pd.DataFrame:
        """Return one row: n (rows used) and the mean number of conditions of each facet, n_session and so on."""
        return pd.DataFrame([{"n": self.n, **{f"n_{name}": count for name, count in self.counts.items()}}])


@dataclass(frozen=True, kw_only=True)
class FacetData:
    """Rows of a generalizability study.

    Parameters
    ----------
    answers : ndarray, shape (n_rows, k)
        Complete.
    codes : mapping of str to ndarray of int, shape (n_rows,)
        Levels of the facets other than items.
    nested : mapping of str to str
    n_given : int
    """

    answers: FloatArray
    codes: Mapping[str, IntArray]
    nested: Mapping[str, str]
    n_given: int

    def mean_counts(self, objects: Effect, facets: Sequence[str]) -> dict[str, float]:
        """Return the mean number of conditions of each facet, per object or per level of what it is nested in."""
        found: dict[str, float] = {}
        for facet in facets:
            if facet == ITEM:
                found[ITEM] = float(self.answers.shape[1])
                continue
            base = with_parents([self.nested[facet]], self.nested) if facet in self.nested else objects
            combined = effect_codes(base | {facet}, self.codes).max() + 1
            found[facet] = float(combined / (effect_codes(base, self.codes).max() + 1))
        return found


def generalizability(
    frame: pd.DataFrame,
    items: Items,
    *,
    objects: str = "patient",
    facets: Sequence[str] = ("session",),
    nested: Mapping[str, str] | None = None,
) -> Generalizability:
    """Split the variance of answers among patients, sessions, items, raters and whatever else they vary over.

    Use it to see where unreliability comes from, and pass it to `dependability` to plan how many sessions, items, raters or
    patients per therapist are enough.

    Parameters
    ----------
    frame : DataFrame
        One row per combination of objects and facets; items side by side.
    items : str, sequence of str, or mapping of int to str
        Item columns, as in `score`. Several items are a facet called 'item' that crosses the others; one column is a
        score.
    objects : str
        Column of what is measured: patients, or therapists.
    facets : sequence of str
        Columns of the conditions: sessions, raters; for therapists as objects also their patients.
    nested : mapping of str to str, optional
        Facet to the column it is nested in: ``{"session": "patient"}`` if session 3 of one patient has nothing in common with
        session 3 of another, ``{"patient": "therapist"}``. Facets cross unless named here.

    Returns
    -------
    Generalizability

    Raises
    ------
    ColumnError
        If a column is missing or holds text.
    DataError
        If a facet has one level, objects have one row each, two rows share all their levels, or answers do not vary.
    ModelError
        If crossed facets are too large.

    See Also
    --------
    dependability, multilevel_reliability

    Notes
    -----
    All facets are random; each effect is a variance component, estimated by restricted maximum likelihood, so that components
    are not negative and numbers of sessions may differ. The effect of all facets together cannot be told from error and is the
    residual. Rows with a missing answer or level are left out.

    References
    ----------
    Shavelson, R. J., & Webb, N. M. (1991). Generalizability theory: A primer. Sage.

    Brennan, R. L. (2001). Generalizability theory. Springer. https://doi.org/10.1007/978-1-4757-3456-0

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 3")
    >>> study = al.generalizability(sessions, "wai_{}", nested={"session": "patient"})
    >>> study.tidy()["term"].tolist()
    ['patient', 'item', 'patient:session', 'patient:item', 'residual']
    """
    facets = as_names(facets)
    data = facet_data(frame, items, objects=objects, facets=facets, nested=nested or {})
    found = estimate_components(data.answers, data.codes, data.nested)
    measured = with_parents([objects], data.nested)
    conditions = tuple(name for name in dict.fromkeys([*facets, *data.codes]) if name not in measured)
    everything = (*conditions, ITEM) if data.answers.shape[1] > 1 else conditions
    return Generalizability(
        components=found.variances,
        objects=measured,
        facets=everything,
        nested=dict(data.nested),
        counts=data.mean_counts(measured, everything),
        n=len(data.answers),
        notes=tuple(component_notes(data, found)),
    )


def facet_data(
    frame: pd.DataFrame, items: Items, *, objects: str, facets: Sequence[str], nested: Mapping[str, str]
) -> FacetData:
    """Return complete answers and the levels of their facets; see `generalizability` for what is raised."""
    one = not isinstance(items, str) and len(items) == 1
    single = [str(name) for name in (items.values() if isinstance(items, Mapping) else items)] if one else []
    columns = single if one else list(columns_as_they_are(frame, items).values())
    require_columns(frame, columns)
    names = _facet_names(objects, facets, nested)
    require_columns(frame, names)
    answers = np.column_stack([raw_answers(frame, column) for column in columns])
    refuse_infinite(answers)
    codes = {name: group_codes(frame, name)[0] for name in names}
    usable = np.logical_not(np.isnan(answers).any(axis=1)) & np.all([code >= 0 for code in codes.values()], axis=0)
    if usable.sum() < 3:
        raise DataError.build(
            f"{int(usable.sum())} of {len(frame)} rows have all answers and levels.",
            hint="check for items that were not asked of everyone.",
        )
    require_unique_sessions(frame.loc[usable, names], names)
    data = FacetData(
        answers=answers[usable],
        codes={name: code[usable] for name, code in codes.items()},
        nested=dict(nested),
        n_given=len(frame),
    )
    if np.ptp(data.answers) == 0:
        raise DataError.build("All answers are the same.", hint="check the columns.")
    _require_levels(data)
    return data


def _facet_names(objects: str, facets: Sequence[str], nested: Mapping[str, str]) -> list[str]:
    """Return all facets other than items, parents first."""
    names = list(dict.fromkeys([objects, *facets, *nested, *nested.values()]))
    if len(set(facets)) < len(facets) or objects in facets or ITEM in names:
        raise DataError.build(
            f"objects and facets are {listing([objects, *facets])}.",
            hint=f"name each column once; '{ITEM}' stands for the item columns.",
        )
    depth = {name: len(_chain(name, nested)) for name in names}
    return sorted(names, key=lambda name: depth[name])


def _chain(name: str, nested: Mapping[str, str]) -> list[str]:
    """Return a facet and what it is nested in, outwards."""
    chain = [name]
    while chain[-1] in nested:
        chain.append(nested[chain[-1]])
        if chain[-1] in chain[:-1]:
            raise DataError.build(f"nested= goes in a circle at '{chain[-1]}'.", hint="name each facet's outer facet.")
    return chain


def _require_levels(data: FacetData) -> None:
    """Raise if an effect cannot be told from the residual or from the mean."""
    for effect in closed_effects(tuple(data.codes), data.nested)[:-1]:
        n_levels = int(effect_codes(effect, data.codes).max()) + 1
        name = ":".join(name for name in data.codes if name in effect)
        if n_levels < 2:
            raise DataError.build(
                f"'{name}' has one level in the {len(data.answers)} rows used.", hint="leave it out of facets=."
            )
        if n_levels == len(data.answers):
            rest = listing([f"'{facet}'" for facet in data.codes if facet not in effect])
            raise DataError.build(
                f"Each of the {n_levels} levels of '{name}' has one row: its variance cannot be told from that of {rest}.",
                hint=f"use data with several levels of {rest} each, or leave it out of facets=.",
            )


def component_notes(data: FacetData, found: Components) -> list[str]:
    """Return what a reader must know of variance components."""
    levels = [f"{np.unique(codes).size} values of '{name}'" for name, codes in data.codes.items()]
    nesting = [f"'{inner}' is nested in '{outer}'" for inner, outer in data.nested.items()]
    notes = [
        f"{len(data.answers)} rows with answers to all {data.answers.shape[1]} items and all levels; "
        f"{data.n_given - len(data.answers)} other rows are left out.",
        f"{'; '.join(levels)}. {'; '.join(nesting) if nesting else 'All facets cross'}.",
        "Variance components by restricted maximum likelihood, all facets random; the effect of all facets is the residual.",
    ]
    zeros = sum(value == 0 for value in found.variances.values())
    if zeros:
        notes.append(f"{zeros} of {len(found.variances)} components are estimated at zero.")
    if found.n_truncated:
        notes.append(
            f"{found.n_truncated} components came out negative and were set to zero; the others were not fitted again."
        )
    if not found.joint and not found.n_truncated:
        notes.append("Too many random effects for one model: components with items are means over contrasts of items.")
    return notes
