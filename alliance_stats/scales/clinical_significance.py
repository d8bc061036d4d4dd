"""Clinically significant change: reliable change that crosses a cut-off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.errors import ColumnError, DataError, listing
from alliance_stats.result import Result
from alliance_stats.scales.change_tables import group_column, share_table, small_cells_note
from alliance_stats.scales.cutoffs import Cutoff, sign_of
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.reliable_change import Labels, ReliableChange

Start = Literal["dysfunctional", "any"]

FIVE_CLASSES = ("recovered", "improved", "unchanged", "deteriorated", "harmed")

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ClinicalSignificance(Result):
    """Five classes of change, for one or several cut-offs.

    Parameters
    ----------
    change : ReliableChange
        What was judged first.
    cutoffs : mapping of str to Cutoff
        By name of the norm set.
    labels : mapping of str to ndarray
        Class of each row by norm set, each of shape (n_rows,); None where a score is missing.
    shares : DataFrame
        See `tidy`.
    """

    change: ReliableChange = field(repr=False)
    cutoffs: Mapping[str, Cutoff]
    labels: Mapping[str, Labels] = field(repr=False)
    shares: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """The user's rows in their order, with change, change_index, change_class, and a class per norm set.

        The column is ``clinical_class`` for one norm set, ``clinical_class_<norm set>`` for several.
        """
        classes = {self.column_of(name): pd.array(values, dtype="str") for name, values in self.labels.items()}
        return self.change.frame.assign(**classes)

    def column_of(self, name: str) -> str:
        """Return the column of `frame` that holds the classes by a norm set."""
        return "clinical_class" if len(self.cutoffs) == 1 else f"clinical_class_{name}"

    def tidy(self) -> pd.DataFrame:
        """Return the share of people in each class.

        Returns
        -------
        DataFrame
            One row per norm set, group and class: model (norm set), outcome, group, level, category, estimate (share, 0
            to 1), conf_low, conf_high (Wilson), conf_level, n, n_people (in the class).
        """
        return self.shares.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row per norm set: model, cutoff (points), kind, n, n_functional_before, n_functional_after."""
        return pd.DataFrame([self._glance_row(name) for name in self.cutoffs])

    def _glance_row(self, name: str) -> dict[str, object]:
        """Return the row of a norm set."""
        cutoff, people = self.cutoffs[name], self.change.people
        known = np.array([entry is not None for entry in self.labels[name]]) & people
        sign = sign_of(self.change.direction)
        before, after = (int((sign * (scores - cutoff.value) > 0)[known].sum()) for scores in self._scores())
        return {
            "model": name,
            "method": self.change.method,
            "cutoff": cutoff.value,
            "kind": cutoff.kind,
            "n": int(known.sum()),
            "n_functional_before": before,
            "n_functional_after": after,
        }

    def _scores(self) -> tuple[FloatArray, FloatArray]:
        """Return first and last scores."""
        return self.change.pre, self.change.post


def clinical_significance(
    change: ReliableChange,
    cutoffs: Cutoff | Mapping[str, Cutoff],
    *,
    start: Start = "dysfunctional",
    by: str | None = None,
) -> ClinicalSignificance:
    """Sort people into recovered, improved, unchanged, deteriorated and harmed.

    Use it for single people and for the share that recovers. It is no measure of the effect of a treatment: shares
    depend on how ill people were at the start, on the cut-off, and on who stayed.

    Parameters
    ----------
    change : ReliableChange
        Of `reliable_change`, `multilevel_change` or `threshold_change`.
    cutoffs : Cutoff, or mapping of str to Cutoff
        Of `clinical_cutoff`; several by the name of their norm set, to see how far the classes depend on them.
    start : {"dysfunctional", "any"}
        Whether only those can recover who were dysfunctional before (and only those be harmed who were functional), or
        whether the last score alone decides, with reliable change.
    by : str, optional
        Column of groups for the table of shares; that of ``change`` if left out.

    Returns
    -------
    ClinicalSignificance

    Raises
    ------
    DataError
        If there is no cut-off, or one runs in the other direction than the change.
    ColumnError
        If ``by`` is missing, or the frame has a column of the result already.

    See Also
    --------
    clinical_cutoff, couple_change

    Notes
    -----
    - recovered: reliably better, dysfunctional before and functional after
    - improved: reliably better, but not across the cut-off
    - unchanged: no reliable change
    - deteriorated: reliably worse, but not across the cut-off
    - harmed: reliably worse, functional before and dysfunctional after

    A score at the cut-off counts as neither functional nor dysfunctional. With the change of Hageman and Arrindell the
    last true score is estimated, (x2 - M2) r2 + M2, and functional if it is beyond the cut-off between distributions of
    true scores by more than its one-sided error; the first score plays no part, so that nobody is called harmed. Jacobson
    and Truax (1991) name recovered, improved, unchanged and deteriorated; harmed is the mirror of recovered, as in R
    package clinicalsignificance.

    References
    ----------
    Jacobson, N. S., & Truax, P. (1991). Journal of Consulting and Clinical Psychology, 59, 12-19.
    https://doi.org/10.1037/0022-006X.59.1.12

    Hageman, W. J., & Arrindell, W. A. (1999). Behaviour Research and Therapy, 37, 1169-1193.
    https://doi.org/10.1016/S0005-7967(99)00032-7

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> phq = pd.DataFrame({"first": [19, 15, 12, 17], "last": [7, 13, 18, 6]})
    >>> error = al.MeasurementError(reliability=0.84, kind="retest", sd=5.5)
    >>> change = al.reliable_change(phq, ("first", "last"), method="jacobson_truax", direction="higher_is_worse", error=error)
    >>> cutoff = al.clinical_cutoff("given", direction="higher_is_worse", value=9.5)
    >>> al.clinical_significance(change, cutoff).frame["clinical_class"].tolist()
    ['recovered', 'unchanged', 'unchanged', 'recovered']
    """
    if not isinstance(change, ReliableChange):
        raise DataError.build(
            f"clinical_significance() judges a ReliableChange, not {type(change).__name__}.",
            hint="call reliable_change(), threshold_change() or multilevel_change() first.",
        )
    named = _named(cutoffs)
    _require_cutoffs(named, change)
    if start not in ("dysfunctional", "any"):
        raise DataError.build(f"No start '{start}'.", hint="use 'dysfunctional' or 'any'.")
    labels = {name: _labels(change, cutoff, start) for name, cutoff in named.items()}
    group = by or change.by
    tables = []
    for name, values in labels.items():
        groups = group_column(change.frame, group)
        people = change.people
        table = share_table(
            values[people], FIVE_CLASSES, level=change.level, groups=None if groups is None else groups[people]
        )
        table.insert(0, "outcome", change.summary["outcome"])
        table.insert(0, "model", name)
        tables.append(table)
    shares = pd.concat(tables, ignore_index=True)
    result = ClinicalSignificance(
        change=change,
        cutoffs=named,
        labels=labels,
        shares=shares,
        notes=tuple(_notes(change, named, start, labels, shares)),
    )
    taken = [result.column_of(name) for name in named if result.column_of(name) in change.frame.columns]
    if taken:
        raise ColumnError.build(f"The frame has a column '{taken[0]}' already.", hint="drop or rename it first.")
    return result


def _named(cutoffs: Cutoff | Mapping[str, Cutoff]) -> dict[str, Cutoff]:
    """Return cut-offs by name."""
    if isinstance(cutoffs, Cutoff):
        return {"cutoff": cutoffs}
    if not isinstance(cutoffs, Mapping) or not all(isinstance(one, Cutoff) for one in cutoffs.values()):
        raise DataError.build(
            "cutoffs= holds something else than cut-offs; a bare number does not say which side is better.",
            hint="make each with clinical_cutoff('given', direction=..., value=...); several as {'name': cutoff}.",
        )
    return dict(cutoffs)


def _require_cutoffs(named: Mapping[str, Cutoff], change: ReliableChange) -> None:
    """Raise if there is no cut-off or one contradicts the change."""
    if not named:
        raise DataError.build("No cut-off.", hint="make one with clinical_cutoff().")
    against = [name for name, cutoff in named.items() if cutoff.direction != change.direction]
    if against:
        raise DataError.build(
            f"Cut-off {listing(against)}: {named[against[0]].direction}, but the change was judged as {change.direction}.",
            hint="give both the same direction=.",
        )


def _labels(change: ReliableChange, cutoff: Cutoff, start: Start) -> Labels:
    """Return the class of each row by a cut-off, shape (n_rows,)."""
    sign = sign_of(change.direction)
    judged = change.classes
    if change.method == "hageman_arrindell":
        recovered = _functional_by_true_score(change, cutoff, sign)
        harmed = np.zeros(len(judged), dtype=bool)
    else:
        before, after = sign * (change.pre - cutoff.value), sign * (change.post - cutoff.value)
        any_start = start == "any"
        recovered, harmed = (any_start | (before < 0)) & (after > 0), (any_start | (before > 0)) & (after < 0)
    labels = judged.copy()
    labels[(judged == "improved") & recovered] = "recovered"
    labels[(judged == "deteriorated") & harmed] = "harmed"
    return labels


def _functional_by_true_score(change: ReliableChange, cutoff: Cutoff, sign: int) -> BoolArray:
    """Return who is functional by the estimated true last score, shape (n_rows,)."""
    if change.index is None:
        raise DataError.build("The change has no index.", hint="use reliable_change().")
    error = change.index.standard_error
    known = np.array([entry is not None for entry in change.classes])
    post = change.post[known]
    mean, variance = float(post.mean()), float(post.var(ddof=1))
    reliability = (variance - error**2) / variance if variance > 0 else math.nan
    if not reliability > 0:
        raise DataError.build(
            "The last scores vary no more than errors of measurement would.",
            hint="use another method than 'hageman_arrindell'.",
        )
    true = mean + (change.post - mean) * reliability
    distance = sign * (true - cutoff.true_score_value(error)) / (math.sqrt(reliability) * error)
    functional: BoolArray = distance > change.index.critical
    return functional


def _notes(
    change: ReliableChange,
    named: Mapping[str, Cutoff],
    start: Start,
    labels: Mapping[str, Labels],
    shares: pd.DataFrame,
) -> list[str]:
    """Return what the classes rest on, in words."""
    # The remarks on small cells are made anew for the table of five classes.
    notes = [note for note in change.notes if note not in small_cells_note(change.shares)]
    notes += [f"{name}: {cutoff.describe()}." for name, cutoff in named.items()]
    if change.method == "hageman_arrindell":
        notes.append("Recovery is judged by the estimated true last score; start= plays no part, and nobody is harmed.")
    if start == "any" and change.method != "hageman_arrindell":
        notes.append("Recovery and harm are judged by the last score, wherever a person started.")
    elif change.method != "hageman_arrindell":
        for name, cutoff in named.items():
            sign = sign_of(change.direction)
            known = np.array([entry is not None for entry in labels[name]]) & change.people
            already = int((sign * (change.pre[known] - cutoff.value) >= 0).sum())
            if already:
                notes.append(
                    f"{name}: {already} of {int(known.sum())} people were not dysfunctional at the start and cannot "
                    "recover by this cut-off; they count in the shares."
                )
    return notes + small_cells_note(shares)
