"""Which picture belongs to which result."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

from alliance_stats.coding.associations import ShareAssociations
from alliance_stats.errors import AllianceStatsError
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.plots.associations import plot_associations
from alliance_stats.plots.coefficients import plot_coefficients
from alliance_stats.plots.reliability import plot_reliability
from alliance_stats.process.alliance_outcome import AllianceOutcome
from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.scales.reliability import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@singledispatch
def plot(result: object, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw a result as the picture that belongs to its type.

    Parameters
    ----------
    result : Result
        LevelEffects, AllianceOutcome and LmmFit become slopes with intervals, Reliability the items of the scale,
        ShareAssociations correlations with intervals.
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
    raise AllianceStatsError.build(
        f"There is no picture for a {type(result).__name__}.",
        hint="pass a result such as that of lmm() or level_effects(); for a frame use plot_shares(frame).",
    )


plot.register(LevelEffects, plot_coefficients)
plot.register(AllianceOutcome, plot_coefficients)
plot.register(LmmFit, plot_coefficients)
plot.register(Reliability, plot_reliability)
plot.register(ShareAssociations, plot_associations)
