"""Which picture belongs to which result."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alliance_stats.errors import AllianceStatsError
from alliance_stats.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PICTURES = {
    "Synchrony": "synchrony.plot_synchrony",
    "SuddenGains": "sudden_gains.plot_sudden_gains",
    "Ruptures": "ruptures.plot_ruptures",
    "GainContrast": "sudden_gains.plot_gain_contrast",
    "CriteriaOverlap": "criteria_overlap.plot_criteria_overlap",
    "AllianceOutcome": "coefficients.plot_coefficients",
    "AllianceOutcomes": "alliance_outcomes.plot_alliance_outcomes",
    "ContextualTest": "contextual.plot_contextual_test",
    "EarlyResponse": "early_response.plot_early_response",
    "Instability": "instability.plot_instability",
    "Bootstrap": "bootstrap.plot_bootstrap",
    "CoefficientTests": "coefficients.plot_coefficients",
    "ConfidenceIntervals": "profiles.plot_profiles",
    "Diagnostics": "diagnostics.plot_diagnostics",
    "Contrasts": "slopes.plot_contrasts",
    "JohnsonNeyman": "johnson_neyman.plot_johnson_neyman",
    "LevelEffects": "coefficients.plot_coefficients",
    "Growth": "growth.plot_growth",
    "TherapistEffects": "therapist_effects.plot_therapist_effects",
    "LmmFit": "coefficients.plot_coefficients",
    "ClinicalSignificance": "reliable_change.plot_reliable_change",
    "Dependability": "dependability.plot_dependability",
    "ParallelAnalysis": "parallel_analysis.plot_parallel_analysis",
    "MarginalMeans": "marginal_means.plot_marginal_means",
    "Mediation": "mediation.plot_mediation",
    "Reciprocal": "reciprocal.plot_reciprocal",
    "Multiverse": "multiverse.plot_multiverse",
    "Reliability": "reliability.plot_reliability",
    "ReliableChange": "reliable_change.plot_reliable_change",
    "SessionCheck": "session_check.plot_session_check",
    "ShareAssociations": "associations.plot_associations",
    "Slopes": "slopes.plot_slopes",
}
"""File and function of the picture of each type of result, looked up when it is drawn."""


def plot(result: object, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw a result as the picture that belongs to its type.

    Parameters
    ----------
    result : Result
        LevelEffects, AllianceOutcome, AllianceOutcomes and LmmFit become slopes with intervals, Growth and SuddenGains courses,
        Reliability the items of the scale, ShareAssociations correlations with intervals.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed on to matplotlib.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    AllianceStatsError
        If there is no picture for the type.

    See Also
    --------
    plot_coefficients, plot_within_between, plot_trajectories, plot_shares, plot_reliability, plot_associations
    """
    own = [kind.__name__ for kind in type(result).__mro__ if kind.__module__.startswith("alliance_stats.")]
    home = next((_PICTURES[name] for name in own if name in _PICTURES), None)
    if home is None:
        hint = "pass a result such as that of lmm() or level_effects(); for a frame use plot_shares(frame)."
        if isinstance(result, Result):
            hint = "read its tidy() and notes; table() lays it out for a report."
        raise AllianceStatsError.build(f"There is no picture for a {type(result).__name__}.", hint=hint)
    file, function = home.split(".")
    draw: Any = getattr(import_module(f"alliance_stats.plots.{file}"), function)
    axes: Axes = draw(result, ax=ax, **style)
    return axes
