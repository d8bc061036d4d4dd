"""Growth of the time with rows and with levels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Measurement
from benchmarks.problems import LEVEL_ROWS

MARKERS = "os^Dv<>Ph*X"


def growth_plot(path: Path, found: Sequence[Measurement]) -> None:
    """Draw seconds against rows for every engine, and against levels for ours."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    colours = sns.color_palette("colorblind", 10)
    engines = list(dict.fromkeys(m.engine for m in found))
    style = {name: (colours[k % 10], MARKERS[k % len(MARKERS)]) for k, name in enumerate(engines)}
    families = ("slope", "intercept", "moved", "levels")
    titles = ("random slope", "random intercept", "slope, 10 % change therapist", f"slope, about {LEVEL_ROWS:,} rows")
    figure, panels = plt.subplots(1, 4, figsize=(15, 4.4), sharey=True, layout="constrained")
    for panel, family, title in zip(panels, families, titles, strict=True):
        across = "size" if family == "levels" else "n_rows"
        _draw(panel, [m for m in found if m.problem == family], across, style)
        panel.set(title=title, xlabel="patients" if family == "levels" else "rows (sessions)")
    panels[0].set_ylabel("seconds, fastest call, one thread")
    handles: dict[str, Any] = {}
    for panel in panels:
        handles |= dict(zip(*panel.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw(panel: Any, found: Sequence[Measurement], across: str, style: dict[str, Any]) -> None:
    """Draw one line per engine and a dashed one that grows in proportion."""
    panel.set(xscale="log", yscale="log")
    panel.grid(which="major", alpha=0.3)
    for name in dict.fromkeys(m.engine for m in found):
        points = sorted((getattr(m, across), m.seconds) for m in found if m.engine == name and m.seconds is not None)
        if not points:
            continue
        colour, marker = style[name]
        x, y = [p[0] for p in points], [p[1] for p in points]
        ours = name == "alliance_stats"
        panel.plot(
            x, y, color=colour, marker=marker, label=name, lw=2.4 if ours else 1.2, zorder=3 if ours else 2, ms=5
        )
        if ours:
            panel.plot([x[0], x[-1]], [y[-1] * x[0] / x[-1], y[-1]], "--", color="0.5", lw=1, label="in proportion")
