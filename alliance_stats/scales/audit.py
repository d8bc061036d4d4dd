"""Whether a scoring key explains totals that somebody computed, and if not, which errors do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values
from alliance_stats.errors import DataError, InstrumentError
from alliance_stats.result import Result
from alliance_stats.scales.answers import Items, item_columns, numbered_columns, raw_answers
from alliance_stats.scales.arguments import require_frame
from alliance_stats.scales.audit_candidates import Explanation, Rows, explain, tolerance_of
from alliance_stats.scales.audit_errors import Target, auditable_rule, target_of
from alliance_stats.scales.instrument import Instrument, load_instrument
from alliance_stats.scales.instrument_parts import Score
from alliance_stats.scales.keying import FloatArray

MIN_ROWS = 5
"""Complete rows below which chance alone explains the totals."""

SHOWN = 10
"""Explanations listed per score beyond the chosen ones."""

HALF = 0.5
"""Share of rows that an explanation must explain to be chosen; below it nothing is, and no error is named."""


@dataclass(frozen=True, kw_only=True)
class ScoreAudit(Result):
    """Explanations of published totals.

    Parameters
    ----------
    explanations : DataFrame
        One row per explanation; see `tidy`.
    errors : DataFrame
        One row per error of the chosen explanations: model, score, item (printed number, None if no single item),
        kind, error (in words). Two items of one error stand in two rows.
    unexplained_rows : mapping of str to tuple of int
        By score: positions in the frame, counted from 0, of rows that the (first) chosen explanation does not explain;
        all rows compared if none is chosen.
    """

    explanations: pd.DataFrame
    errors: pd.DataFrame = field(repr=False)
    unexplained_rows: Mapping[str, tuple[int, ...]] = field(repr=False)

    @property
    def key_explains(self) -> bool:
        """Whether the key is the explanation chosen for every score."""
        return bool((self._fewest_errors() == 0).all())

    def _fewest_errors(self) -> pd.Series:
        """Return the number of errors of the chosen explanation by score, NaN where none is chosen."""
        chosen = self.explanations["n_errors"].where(self.explanations["best"])
        return chosen.groupby(self.explanations["score"], sort=False).min()

    def tidy(self) -> pd.DataFrame:
        """Return the explanations tried that explain most.

        Returns
        -------
        DataFrame
            One row per explanation: model ("key", or a number, 1 for the first chosen), score, estimate (share of rows
            explained, 0 to 1), n (rows compared), n_explained, n_errors, errors (in words, separated by "; "), best
            (whether chosen; several equally good ones if the rows cannot tell them apart, none if no small set of
            errors explains half of the rows).
        """
        return self.explanations.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: n_scores, n_explained_by_key (scores that need no error), n_errors, n_ambiguous (scores)."""
        n_best = self.explanations.groupby("score", sort=False)["best"].sum()
        fewest = self._fewest_errors()
        return pd.DataFrame(
            [
                {
                    "n_scores": len(fewest),
                    "n_explained_by_key": int((fewest == 0).sum()),
                    "n_errors": int(fewest.sum()),
                    "n_ambiguous": int((n_best > 1).sum()),
                }
            ]
        )


def audit_scores(
    frame: pd.DataFrame,
    instrument: str | Path | Instrument,
    *,
    items: Items,
    published: str | Mapping[str, str],
    storage: str | None = None,
) -> ScoreAudit:
    """Find out how published totals were computed from the items.

    Use it before a total that came with the data enters an analysis, and for totals of your own by older syntax. If the
    key of the instrument does not give the totals, the smallest set of errors that does is searched: reversals left
    out, added or at the wrong item; items left out, added, exchanged or counted twice; sum for mean, divisor or factor;
    answers coded one off; a wrong constant of reversal; another rule for missing answers.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form.
    instrument : str, Path or Instrument
        As in `score`.
    items : str, sequence of str, or mapping of int to str
        Where the raw answers are, as in `score`. Items outside the score that the frame has are tried as well.
    published : str or mapping of str to str
        Column of the totals to be explained, taken for the first score of the instrument; or score name to column,
        such as ``{"bond": "bond_total"}``.
    storage : str, optional
        As in `score`.

    Returns
    -------
    ScoreAudit

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    InstrumentError
        If the instrument or a score is unknown, or a score is no sum, mean or percentage of its items.
    DataError
        If fewer than five rows have a total and all answers, or a total does not vary.

    See Also
    --------
    compare_totals : how far two totals differ. score : totals by the key.

    Notes
    -----
    A total is a scale times (a constant + the sum of weighted answers), with weights 1, -1 or 0. All combinations of up
    to three errors are matched with the rows exactly, and beyond that the weights are read off the totals by least
    absolute deviations, so that a minority of rows (typing errors, other rules) has no influence. A reversal that
    stands at the wrong item, and an item in place of another, count as one error each. The chosen explanation has the
    fewest errors such that each further one would explain less than two further rows; all equally good ones are given.
    Totals rounded to d decimals are met within half a unit of the last one. Not tried: weights that are not whole
    numbers, transformed totals (T scores, ranks), totals over several rows.

    Examples
    --------
    >>> import numpy as np, pandas as pd, alliance_stats as al
    >>> answers = np.random.default_rng(1).integers(0, 5, size=(40, 10))
    >>> frame = pd.DataFrame(answers, columns=[f"c{i}" for i in range(1, 11)])
    >>> frame["total"] = frame.sum(axis=1) + 4 - 2 * frame["c3"]  # item 2 should have been turned as well
    >>> al.audit_scores(frame, "core_10", items="c{}", published="total").errors["error"].tolist()
    ['item 2 not reversed']
    """
    require_frame(frame, "audit_scores")
    key = instrument if isinstance(instrument, Instrument) else load_instrument(instrument)
    wanted = _wanted(key, published)
    way = key.storage_named(storage)
    columns = _columns_at_hand(frame, items, key, [entry for entry, _ in wanted])
    answers = np.column_stack([raw_answers(frame, column) for column in columns.values()]) + way.shift
    tables, errors, unexplained, notes = [], [], {}, list(_opening(key, wanted, published))
    for score, column in wanted:
        target = target_of(key, score, way, list(columns))
        rows, positions = _rows(answers, numeric_values(frame, column), target, column)
        found = explain(rows, target)
        tables.append(_table(score.name, found, len(rows.totals)))
        chosen = _chosen(found, len(rows.totals))
        errors += _error_rows(score.name, chosen)
        missed = ~rows.hits(chosen[0].candidate, target) if chosen else np.ones(len(rows.totals), dtype=bool)
        unexplained[score.name] = tuple(positions[missed].tolist())
        notes += _notes(score.name, found, rows, n_rows=len(frame))
    notes += _across_scores({row["score"] for row in errors}, errors)
    return ScoreAudit(
        explanations=pd.concat(tables, ignore_index=True),
        errors=pd.DataFrame(errors, columns=["model", "score", "item", "kind", "error"]),
        unexplained_rows=unexplained,
        notes=tuple(notes),
    )


def _wanted(key: Instrument, published: str | Mapping[str, str]) -> list[tuple[Score, str]]:
    """Return each score to be audited and the column of its totals."""
    if isinstance(published, str):
        wanted = [(next(iter(key.scores.values())), published)]
    elif not isinstance(published, Mapping) or not published:
        raise InstrumentError.build("published= is empty.", hint="name a column, or {'score': 'column'}.")
    else:
        wanted = [(key.score_named(name), column) for name, column in published.items()]
    for score, _ in wanted:
        auditable_rule(key, score)
    return wanted


def _columns_at_hand(frame: pd.DataFrame, items: Items, key: Instrument, scores: list[Score]) -> dict[int, str]:
    """Return the columns of the items of the scores, and of all others that the frame has."""
    n_items = key.n_items or 0
    needed = {item for score in scores for item in score.items}
    if isinstance(items, str):
        there = {item for item in numbered_columns(frame, items) if item <= n_items and item >= 1}
    elif isinstance(items, Mapping):
        there = {int(item) for item in items if isinstance(item, int)}
    else:
        there = set(range(1, n_items + 1))
    return item_columns(frame, items, wanted=sorted(needed | there), n_items=n_items)


def _rows(answers: FloatArray, published: FloatArray, target: Target, column: str) -> tuple[Rows, np.ndarray]:
    """Return the rows that can be compared and their positions."""
    require_finite(published, column)
    inside = target.weights != 0
    used = ~np.isnan(published) & ~np.isnan(answers[:, inside]).all(axis=1)
    known = answers[used]
    complete = np.logical_not(np.isnan(known).any(axis=1))
    if int(complete.sum()) < MIN_ROWS:
        raise DataError.build(
            f"{int(complete.sum())} rows have a total in '{column}' and answers to all {known.shape[1]} items at hand; "
            f"at least {MIN_ROWS} are needed.",
            hint="drop columns of items that were not asked, or check items= and published=.",
        )
    if not np.ptp(published[used][complete]) > 0:
        raise DataError.build(
            f"The totals in '{column}' are the same in all rows.", hint="check published=; a constant tells nothing."
        )
    known_answers = np.where(np.isnan(known), 0.0, known).sum(axis=0) / np.maximum((~np.isnan(known)).sum(axis=0), 1)
    rows = Rows(
        answers=known,
        totals=published[used],
        complete=complete,
        tolerance=tolerance_of(published[used]),
        item_means=known_answers,
    )
    return rows, np.flatnonzero(used)


def require_finite(values: FloatArray, column: str) -> None:
    """Raise if a total is infinite."""
    n_infinite = int(np.isinf(values).sum())
    if n_infinite:
        raise DataError.build(f"{n_infinite} totals in '{column}' are infinite.", hint="mark them as missing first.")


def _chosen(found: list[Explanation], n: int) -> list[Explanation]:
    """Return the explanations that are as good as the first, or none if that explains too few of n rows."""
    first = found[0]
    if first.n_explained < HALF * n:
        return []
    return [e for e in found if (e.n_errors, e.n_explained) == (first.n_errors, first.n_explained)]


def _table(score: str, found: list[Explanation], n: int) -> pd.DataFrame:
    """Return one row per explanation: the chosen ones, the key, and those that explain most with as many errors."""
    chosen = _chosen(found, n)
    rest = [entry for entry in found if entry not in chosen]
    key = [entry for entry in rest if entry.n_errors == 0][:1]
    others = sorted((e for e in rest if e.n_errors), key=lambda e: (-e.n_explained, e.n_errors))[:SHOWN]
    others.sort(key=lambda entry: (entry.n_errors, -entry.n_explained))
    listed = [*chosen, *key, *others]
    names = iter(range(1, len(listed) + 1))
    rows = [
        {
            "model": str(next(names)) if entry.n_errors else "key",
            "score": score,
            "estimate": entry.n_explained / n,
            "n": n,
            "n_explained": entry.n_explained,
            "n_errors": entry.n_errors,
            "errors": "; ".join(slip.text for slip in entry.slips) or "none",
            "best": entry in chosen,
        }
        for entry in listed
    ]
    return pd.DataFrame(rows)


def _error_rows(score: str, chosen: list[Explanation]) -> list[dict[str, object]]:
    """Return one row per error and item of the chosen explanations."""
    return [
        {"model": str(place), "score": score, "item": item, "kind": slip.kind, "error": slip.text}
        for place, entry in enumerate(chosen, start=1)
        for slip in entry.slips
        for item in (slip.items or (None,))
    ]


def _opening(key: Instrument, wanted: list[tuple[Score, str]], published: str | Mapping[str, str]) -> list[str]:
    """Return which totals were taken for which score."""
    if isinstance(published, str):
        score = wanted[0][0]
        return [f"'{published}' was taken for score '{score.name}' of {key.abbreviation} ({score.describe()})."]
    return []


def _notes(score: str, found: list[Explanation], rows: Rows, *, n_rows: int) -> list[str]:
    """Return what was found for a score in words."""
    first, n = found[0], len(rows.totals)
    chosen = _chosen(found, n)
    share = f"{first.n_explained} of {n} rows ({100 * first.n_explained / n:.0f} %)"
    words = "; ".join(slip.text for slip in first.slips)
    if not chosen:
        notes = [f"{score}: no small set of errors explains the totals; the best found explains {share}."]
    elif not first.slips:
        notes = [f"{score}: the key explains the totals of {share}."]
    else:
        errors = "1 error explains" if first.n_errors == 1 else f"{first.n_errors} errors explain"
        notes = [f"{score}: {errors} {share}: {words}."]
    if len(chosen) > 1:
        notes.append(f"{score}: {len(chosen)} explanations are equally good; the rows cannot tell them apart.")
    if chosen and first.n_explained < n:
        notes.append(f"{score}: {n - first.n_explained} rows are not explained; unexplained_rows has their positions.")
    if n < n_rows:
        notes.append(f"{score}: {n_rows - n} of {n_rows} rows have no total or no answers and are not compared.")
    incomplete = int((~rows.complete).sum())
    if incomplete:
        notes.append(
            f"{score}: {incomplete} rows compared lack an answer; they decide on the rule for missing answers."
        )
    return notes


def _across_scores(scores: set[object], errors: list[dict[str, object]]) -> list[str]:
    """Return items that were taken out of one score and counted in another."""
    if len(scores) < 2:
        return []
    moves: dict[object, list[str]] = {}
    for row in errors:
        if row["model"] == "1" and row["kind"] in ("item_left_out", "item_added", "item_replaced"):
            moves.setdefault(row["item"], []).append(str(row["score"]))
    return [f"Item {item} changes between {' and '.join(names)}." for item, names in moves.items() if len(names) > 1]
