"""How therapists differ in what they say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values, require_columns
from alliance_stats.errors import ColumnError, DataError, counted
from alliance_stats.plots.canvas import GREY, axes_for, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PREFIX = "share_"
_PART = re.compile(r"_(session|trend|patient|therapist|dyad|lag\d+|session_lag\d+)$")


def plot_shares(frame: pd.DataFrame, *, ax: Axes | None = None, **style: Any) -> Axes:
    r"""Draw the mean share of each statement category per therapist.

    One bar per therapist, ordered by the first category. Therapists are numbered in that order; their labels in the
    data are not shown.

    Parameters
    ----------
    frame : DataFrame
        One row per session with ``therapist`` and columns ``share_<category>``, each 0 to 1, as `statement_shares`
        gives them. A bar is the plain mean over a therapist's sessions.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.barh``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ColumnError
        If there is no therapist column or no column ``share_<category>``.
    DataError
        If a share is outside 0 to 1, or no row has shares and a therapist.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.statement_shares(al.load_sample("therapist_statements"), "helping_skills", counts="n_{}")
    >>> plot_shares(sessions).get_title()
    'What therapists say\nN = 5304 sessions of 60 therapists'
    """
    require_columns(frame, ["therapist"], hint='rename your column: frame.rename(columns={"th_id": "therapist"}).')
    columns = share_columns(frame)
    means, n_sessions = _therapist_means(frame, columns)
    axes = axes_for(ax, height=1.9 + 0.17 * min(len(means), 40))
    rows = np.arange(len(means))
    left = np.zeros(len(means))
    for column, color in zip(columns, _greys_to_yellow(len(columns)), strict=True):
        look = {"color": color, "edgecolor": "white", "linewidth": 0.6, "height": 0.9, "label": words(column[6:])}
        axes.barh(rows, means[column].to_numpy(), left=left, **{**look, **style})
        left = left + means[column].to_numpy()
    _name_segments(axes, [words(column[6:]) for column in columns], means.iloc[0].to_numpy())
    step = max(1, -(-len(means) // 30))
    axes.set_yticks(rows[::step], [str(row + 1) for row in rows[::step]])
    axes.set_ylim(len(means) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, max(1.0, float(left.max())))
    axes.set_xticks(np.linspace(0, 1, 5), [f"{share}%" for share in range(0, 101, 25)])
    axes.set_xlabel("Mean share of the therapist's statements in a session")
    axes.set_ylabel(f"Therapists, by share of {words(columns[0][6:])}")
    size = f"N = {counted(n_sessions, 'session')} of {counted(len(means), 'therapist')}"
    axes.set_title(f"What therapists say\n{size}", fontsize="medium", pad=26)
    return axes


def share_columns(frame: pd.DataFrame) -> list[str]:
    """Return the share columns in the order of the frame, without parts split off by within_between()."""
    names = [str(name) for name in frame.columns if str(name).startswith(PREFIX)]
    whole = [name for name in names if _PART.sub("", name) == name or _PART.sub("", name) not in names]
    if not whole:
        raise ColumnError.missing([f"{PREFIX}<category>"], frame.columns, hint="make them with statement_shares().")
    return whole


def _therapist_means(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Return mean shares, one row per therapist, the largest first share first, and the number of sessions."""
    shares = pd.DataFrame({column: numeric_values(frame, column) for column in columns})
    outside = int(((shares < 0) | (shares > 1 + 1e-9)).any(axis=1).sum())
    if outside:
        raise DataError.build(
            f"{outside} rows have a share outside 0 to 1.", hint="divide counts by the number of statements first."
        )
    therapist = frame["therapist"].reset_index(drop=True)
    known = shares.notna().all(axis=1) & therapist.notna()
    if not known.any():
        raise DataError.build("No row has shares and a therapist.", hint="check how missing values are marked.")
    means = shares[known].groupby(therapist[known], observed=True).mean()
    return means.sort_values(list(columns), ascending=False).reset_index(drop=True), int(known.sum())


def _greys_to_yellow(n: int) -> list[Any]:
    """Return n colours of rising lightness, told apart in grey print too."""
    from matplotlib import colormaps

    return list(colormaps["cividis"](np.linspace(0.05, 0.95, max(n, 2))))[:n]


def _name_segments(axes: Axes, names: Sequence[str], shares: np.ndarray) -> None:
    """Write the category names above the segments of the top bar, moved apart where they would meet."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    centres = np.cumsum(shares) - shares / 2
    lift = ScaledTranslation(0.0, 9 / 72, axes.figure.dpi_scale_trans)
    above = blended_transform_factory(axes.transData, axes.transAxes + lift)
    places = spread_apart(centres, np.array([0.017 * len(name) for name in names]))
    for name, centre, place in zip(names, centres, places, strict=True):
        axes.annotate(
            name,
            xy=(centre, 1.0),
            xytext=(place, 1.0),
            xycoords=("data", "axes fraction"),
            textcoords=above,
            ha="center",
            va="bottom",
            fontsize="small",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 0},
        )


def spread_apart(centres: np.ndarray, widths: np.ndarray, gap: float = 0.02) -> np.ndarray:
    """Return places near the centres, shape (n,), at which labels of these widths do not overlap within 0 to 1."""
    places = centres.astype(float).copy()
    for i in range(len(places)):
        least = widths[i] / 2 if i == 0 else places[i - 1] + (widths[i - 1] + widths[i]) / 2 + gap
        places[i] = max(places[i], least)
    for i in reversed(range(len(places))):
        last = i == len(places) - 1
        most = 1 - widths[i] / 2 if last else places[i + 1] - (widths[i + 1] + widths[i]) / 2 - gap
        places[i] = min(places[i], most)
    return places
