"""What a reader must know of a model by level: estimand, model, tests, N per level."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from alliance_stats.errors import counted
from alliance_stats.mixed.fit import LmmFit

CAVEAT = (
    "A within-patient association is not an effect: whatever changes from session to session together with the "
    "predictor, and the outcome's own influence on it, are not ruled out."
)


def model_notes(fit: LmmFit, rows: pd.DataFrame, levels: Mapping[str, str], tested: str, *, level: float) -> list[str]:
    """Return the sentences on model, estimator, intervals, N per level and boundary."""
    counts = [counted(rows[column].nunique(), name) for name, column in levels.items()]
    notes = [
        f"Model: {fit.formula}; REML.",
        *([f"Residuals: {fit.residual.structure}, {_residual_words(fit)}."] if fit.residual is not None else []),
        f"Intervals ({100 * level:g}%) and p values are Wald's with these degrees of freedom. {tested}",
        f"N: {counted(len(rows), 'session')}, {', '.join(counts)}. The n of a slope counts the rows (session) or units that "
        "carry it: without those of a patient whose predictor never changes, and without the only patient of a therapist.",
        "Errors of measurement in a predictor draw its slope towards zero, most at the session level; not corrected.",
        "Standardised estimates are in standard deviations of predictor part and outcome at the estimate's own level, over the "
        "rows analysed: within, of deviations from the unit's mean (of the outcome with its trend); between, of observed means.",
    ]
    if fit.dropped:
        notes.append(f"Left out because other terms determine them: {', '.join(fit.dropped)}.")
    if fit.singular:
        notes.append(
            "The fit is singular: a random variance is zero or a random correlation is 1 or -1. "
            "The model was kept as it was asked for; no simpler one was put in its place."
        )
    return notes


def estimand_notes(outcome: str, levels: Mapping[str, str], lag: int) -> list[str]:
    """Return what one point means at each level."""
    sessions = "1 session" if lag == 1 else f"{lag} sessions"
    when = f", the session part rated {sessions} before the outcome" if lag else ", rated in the same session"
    names = list(levels)
    texts = [f"session: between two sessions of the same {names[0]}"]
    for inner, outer in zip(names, [*names[1:], ""], strict=True):
        same = f" of the same {outer}" if outer else ""
        texts.append(f"{inner}: between two {inner}s{same} whose means differ by one point")
    return [f"Estimand: expected difference in {outcome} per point of the predictor{when}; {'; '.join(texts)}.", CAVEAT]


def _residual_words(fit: LmmFit) -> str:
    """Return the estimates of a residual structure."""
    if fit.residual is None:
        return ""
    shown = zip(fit.residual.names, fit.residual.estimates, strict=True)
    return ", ".join(f"{name} = {value:.3f}" for name, value in shown)
