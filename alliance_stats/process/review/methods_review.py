"""A methods review of any analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from alliance_stats.process.parts import ordered_columns
from alliance_stats.process.review import model_checks, rating_checks
from alliance_stats.process.review.analysis import Analysis, analyses_of
from alliance_stats.process.review.finding import Finding
from alliance_stats.process.review.mistakes import known_mistakes
from alliance_stats.result import Result

CHECKS: Mapping[str, Callable[[Analysis], Finding | None]] = {
    "single_session": rating_checks.single_session,
    "pooled_slope": model_checks.pooled_slope,
    "between_as_within": model_checks.between_as_within,
    "prior_outcome": model_checks.prior_outcome,
    "therapists": model_checks.therapists,
    "few_therapists": model_checks.few_therapists,
    "patients_per_therapist": rating_checks.patients_per_therapist,
    "few_sessions": rating_checks.few_sessions,
    "lagged_outcome": model_checks.lagged_outcome,
    "detrending": model_checks.detrending,
    "ceiling": rating_checks.ceiling,
    "difference_score": rating_checks.difference_score,
    "mixed_raters": rating_checks.mixed_raters,
    "spacing": rating_checks.spacing,
    "post_hoc_events": model_checks.post_hoc_events,
    "mediation_order": model_checks.mediation_order,
}
"""The check of each mistake, in the order of the table."""


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
        Of `alliance_outcome`, `level_effects`, `lmm`, `share_associations`, `ruptures`, `sudden_gains`, `mediation` or
        `reciprocal`. Several are reviewed together: the same alliance and outcome with and without trends are then seen as one
        report.

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
    patients, 50 groups, 15 % at an end) are its, not laws. Not seen: choices made before the data were read, single-level
    pooling of dependent effects, vote counting.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> sessions = al.score(sessions, "ors", items="ors_{}")
    >>> fit = al.lmm("ors_sum ~ wai_sr_mean + (1 | patient)", sessions)
    >>> al.review(fit).mistakes()["item"].tolist()
    ['One slope for several levels']
    """
    results = list(result) if isinstance(result, list | tuple) else [result]
    analyses = analyses_of(results)
    known = known_mistakes()
    rows: list[dict[str, Any]] = []
    for analysis in analyses:
        for key in known:
            finding = CHECKS[key](analysis)
            if finding is not None:
                rows.append({"model": analysis.label} | _row(finding))
    table = pd.DataFrame(rows, columns=["model", "item", "level", "evidence", "why", "source", "call"])
    if len(analyses) == 1:
        table = table.drop(columns="model")
    return MethodsReview(findings=ordered_columns(table), n_analyses=len(analyses), notes=_notes(table))


def _row(finding: Finding) -> dict[str, Any]:
    """Return a finding with what is known of its mistake."""
    mistake = known_mistakes()[finding.key]
    said = {"item": mistake.title, "level": finding.level, "evidence": finding.evidence, "why": mistake.why}
    return said | {"source": mistake.source, "call": "" if finding.level == "fine" else mistake.call}


def _notes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the verdict in a sentence, and what a review cannot see."""
    counts = table["level"].value_counts()
    found = [
        f"{int(counts.get(level, 0))} {level}{'s' if counts.get(level, 0) != 1 else ''}"
        for level in ("mistake", "caution")
    ]
    return (
        f"Methods review: {found[0]}, {found[1]}, {int(counts.get('fine', 0))} checks without a finding.",
        "Only what shows in the result and its rows is judged; what was decided after looking at the data is not seen.",
    )
