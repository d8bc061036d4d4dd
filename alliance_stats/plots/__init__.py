"""One file per picture; `plot` chooses by the type of the result."""

from alliance_stats.plots.associations import plot_associations
from alliance_stats.plots.coefficients import plot_coefficients
from alliance_stats.plots.dispatch import plot
from alliance_stats.plots.multiverse import plot_multiverse
from alliance_stats.plots.reliability import plot_reliability
from alliance_stats.plots.reliable_change import plot_reliable_change
from alliance_stats.plots.shares import plot_shares
from alliance_stats.plots.trajectories import plot_trajectories
from alliance_stats.plots.within_between import plot_within_between

__all__ = [
    "plot",
    "plot_associations",
    "plot_coefficients",
    "plot_multiverse",
    "plot_reliability",
    "plot_reliable_change",
    "plot_shares",
    "plot_trajectories",
    "plot_within_between",
]
