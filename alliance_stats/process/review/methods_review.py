"""A methods review of any analysis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from textwrap import fill
from typing import Any

import pandas as pd

from alliance_stats.errors import counted
from alliance_stats.process.parts import ordered_columns
from alliance_stats.process.review.code import in_code
from alliance_stats.process.review.dispatch import panels_of
from alliance_stats.process.review.finding import Finding
from alliance_stats.process.review.mistakes import known_mistakes
from alliance_stats.process.review.panel import Panel
from alliance_stats.result import Result, html_table

LEVELS = ("mistake", "caution", "fine")

WIDTH = 110
"""Of a printed review, in characters."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MethodsReview(Result):
    """Findings on the common mistakes; made by `review`.

    Parameters
    ----------
    findings : DataFrame
        What ``tidy()`` returns.
    n_analyses : int
    """

    findings: pd.DataFrame = field(repr=False)
    n_analyses: int

    def tidy(self) -> pd.DataFrame:
        """Return one row per mistake that the analysis could hold.

        Returns
        -------
        DataFrame
            model (with several analyses), item (the mistake), level ("mistake", "caution" or "fine"), evidence (in these data),
            why (it is a mistake), source, call (that mends it; empty where all is fine).
        """
        return self.findings.copy()

    def __repr__(self) -> str:
        counts = self.glance().iloc[0]
        of = "1 analysis" if self.n_analyses == 1 else f"{self.n_analyses} analyses"
        said = f"{counted(counts['n_mistakes'], 'mistake')}, {counted(counts['n_cautions'], 'caution')}"
        lines = [f"Methods review of {of}: {said}, {counted(counts['n_fine'], 'check')} without a finding."]
        for row in self._worst_first().to_dict("records"):
            if row["level"] != "fine":
                lines += ["", *_printed(row)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"{html_table(self._worst_first())}<ul>{notes}</ul>"

    def _worst_first(self) -> pd.DataFrame:
        """Return the findings, mistakes first, each level in its order."""
        return self.findings.sort_values("level", key=lambda level: level.map(LEVELS.index), kind="stable")

    def mistakes(self) -> pd.DataFrame:
        """Return the rows of level "mistake"."""
        return self.findings[self.findings["level"] == "mistake"].reset_index(drop=True)

    def glance(self) -> pd.DataFrame:
        """Return one row: analyses reviewed, and number of mistakes, cautions and checks that found nothing."""
        counts = self.findings["level"].value_counts()
        return pd.DataFrame(
            [
                {"n_analyses": self.n_analyses, "n_mistakes": int(counts.get("mistake", 0))}
                | {"n_cautions": int(counts.get("caution", 0)), "n_fine": int(counts.get("fine", 0))}
            ]
        )


def review(result: Result | Sequence[Result]) -> MethodsReview:
    """Review an analysis against the common mistakes of alliance research.

    Use it before a report is written: it says what a methods reviewer would ask, with the evidence in these data, the source,
    and the call that mends it. Only what can be seen in the result and its rows is judged.

    Parameters
    ----------
    result : Result, or sequence of Result
        Of `alliance_outcome`, `alliance_multiverse`, `level_effects`, `lmm`, `reciprocal`, `mediation`, `growth`,
        `early_response`, `therapist_effects`, `ruptures`, `sudden_gains`, `around_gains`, `compare_rupture_criteria`,
        `compare_gain_criteria`, `instability`, `synchrony` or `share_associations`. Several are reviewed together: the same
        alliance and outcome with and without trends, ruptures by two criteria, or early change up to two sessions are then
        seen as one report.

    Returns
    -------
    MethodsReview
        ``tidy()`` has one row per mistake that can be checked.

    Raises
    ------
    ModelError
        If there is no review for the type.

    See Also
    --------
    alliance_outcome, contextual_test, diagnose

    Notes
    -----
    "mistake": the data and the model show it. "caution": a reader must know it, or it cannot be excluded. "fine": checked, and
    not found. Rules and sources stand in ``process/review/mistakes.toml``; limits that a source gives (four sessions, about 60
    patients, 50 groups, 15 % at an end) are its, not laws; other limits are conventions of this library, named where they
    stand. Not seen: choices made before the data were read, columns that are not in the rows analysed, single-level pooling of
    dependent effects, vote counting.

    ``call`` is code: ``sessions`` stands for the session table, ``result`` for what was reviewed, ``gains`` for the result
    of `sudden_gains`, ``therapists`` for a table of patients and their therapists. Calls may name a column that you have yet
    to make: "before" (the outcome before a conversation), "intake" (severity before treatment), "arm" (the group compared).

    Sudden gains are counted again in courses whose ratings were put into random order 20 times, with fixed random
    numbers: what noise alone finds.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> sessions = al.score(sessions, "ors", items="ors_{}")
    >>> fit = al.lmm("ors_sum ~ wai_sr_mean + (1 | patient)", sessions)
    >>> al.review(fit).mistakes()["item"].tolist()
    ['One slope for several levels']
    """
    panels = panels_of(result)
    known = list(known_mistakes())
    rows = [
        {"model": panel.label} | _row(finding, panel)
        for panel in panels
        for finding in sorted(panel.findings, key=lambda own: known.index(own.key))
    ]
    table = pd.DataFrame(rows, columns=["model", "item", "level", "evidence", "why", "source", "call"])
    if len(panels) == 1:
        table = table.drop(columns="model")
    return MethodsReview(findings=ordered_columns(table), n_analyses=len(panels), notes=_notes(table))


def _row(finding: Finding, panel: Panel) -> dict[str, Any]:
    """Return a finding with what is known of its mistake."""
    mistake = known_mistakes()[finding.key]
    said = {"item": mistake.title, "level": finding.level, "evidence": finding.evidence, "why": mistake.why}
    if finding.level == "fine":
        return said | {"source": mistake.source, "call": ""}
    call = mistake.mend(panel.made_by, in_code({**panel.words, **finding.words}))
    return said | {"source": mistake.source, "call": re.sub(r"(?<!['\"])\bresult\b", panel.name, call)}


def _printed(row: dict[Any, Any]) -> list[str]:
    """Return the lines of one finding."""
    where = f" [{row['model']}]" if "model" in row else ""
    lines = [f"{str(row['level']).upper()}: {row['item']}{where}"]
    lines += [fill(row[name], WIDTH, initial_indent="  ", subsequent_indent="  ") for name in ("evidence", "why")]
    # The call is not wrapped, so that it can be copied.
    return [
        *lines,
        f"  Call:   {row['call']}",
        fill(f"Source: {row['source']}", WIDTH, initial_indent="  ", subsequent_indent="          "),
    ]


def _notes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the verdict in a sentence, and what a review cannot see."""
    counts = table["level"].value_counts()
    mistakes, cautions = (counted(int(counts.get(level, 0)), level) for level in ("mistake", "caution"))
    return (
        f"Methods review: {mistakes}, {cautions}, {counted(int(counts.get('fine', 0)), 'check')} without a finding.",
        "Only what shows in the result and its rows is judged; what was decided after looking at the data is not seen.",
        "In calls: sessions is the session table, result the result reviewed, gains the sudden gains, therapists a table of "
        "patients and their therapists.",
    )
