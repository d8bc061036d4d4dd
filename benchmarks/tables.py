"""Measurements as CSV, Markdown and a page."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from benchmarks.measure import Measurement

TITLES = {
    "slope": "Random slope: `{model}`",
    "intercept": "Random intercept: `{model}`",
    "moved": "A tenth of the patients changes therapist (nesting broken): `{model}`",
    "shuffled": "Rows in random order: `{model}`",
    "instructors": "Crossed factors, like InstEval: `{model}`",
    "levels": "More patients in as many rows: `{model}`",
}
OPEN, CLOSE = "<!-- results -->", "<!-- end of results -->"


def write_csv(path: Path, found: Sequence[Measurement]) -> None:
    """Write one line per measurement."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Measurement)])
        writer.writeheader()
        writer.writerows(asdict(m) for m in found)


def markdown(
    found: Sequence[Measurement],
    imports: Sequence[dict[str, object]],
    facts: Sequence[tuple[str, str]],
) -> str:
    """Return all tables."""
    parts = ["### Machine", "", *_pipe(["", ""], facts)]
    for name in dict.fromkeys(m.problem for m in found):
        own = [m for m in found if m.problem == name]
        parts += ["", f"### {TITLES[name].format(model=own[0].model)}", "", *_problem_table(own)]
    if imports:
        cells = [
            [
                str(r["statement"]),
                f"{r['min_s']:.3f}",
                f"{r['median_s']:.3f}",
                f"{r['beyond_bare_s']:.3f}",
                str(r["late_modules"]),
            ]
            for r in imports
        ]
        header = ["a new process that runs", "min s", "median s", "beyond bare s", "late modules loaded"]
        parts += ["", "### Import", "", *_pipe(header, cells)]
    return "\n".join(parts) + "\n"


def _problem_table(found: Sequence[Measurement]) -> list[str]:
    """Return the table of one family of problems."""
    header = ["rows", "levels", "engine", "first call s", "min s", "median s (n)", "times ours", "peak MB", "times columns",
              "criterion above best", "one refit ms"]  # fmt: skip
    rows = []
    for size in dict.fromkeys(m.size for m in found):
        group = [m for m in found if m.size == size]
        ours = next((m.seconds for m in group if m.engine == "alliance_stats"), None)
        reached = [m.criterion for m in group if m.criterion is not None]
        best = min(reached) if reached else math.nan
        rows += [_cells(m, ours, best) for m in sorted(group, key=lambda m: m.seconds or math.inf)]
    return _pipe(header, rows)


def _cells(m: Measurement, ours: float | None, best: float) -> list[str]:
    """Return one row of a problem's table."""
    label = f"{m.engine} {m.version}" if m.version and m.engine != "floor" else m.engine
    start = [f"{m.n_rows:,}", f"{m.size:,}", label]
    if m.cold_s is None:
        return [*start, m.status, *[""] * 7]
    median = "" if m.warm_median_s is None else f"{_seconds(m.warm_median_s)} ({m.n_warm})"
    ratio = "" if ours is None or m.seconds is None else f"{m.seconds / ours:.3g}"
    peak = "" if m.peak_bytes is None else f"{m.peak_bytes / 1e6:.0f}"
    share = "" if m.peak_bytes is None else f"{m.peak_bytes / m.model_bytes:.1f}"
    above = "" if m.criterion is None else f"{max(m.criterion - best, 0.0):.1e}"
    refit = "" if m.refit_s is None else f"{1e3 * m.refit_s:.2f}"
    fastest = "" if m.warm_min_s is None else _seconds(m.warm_min_s)
    return [*start, _seconds(m.cold_s), fastest, median, ratio, peak, share, above, refit]


def _seconds(value: float) -> str:
    """Return seconds with three digits."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _pipe(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown pipe table."""
    lines = [list(header), ["---"] * len(header), *(list(row) for row in rows)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def insert(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(OPEN, 1)
    page.write_text(f"{before}{OPEN}\n\n{text}\n{CLOSE}{rest.split(CLOSE, 1)[1]}", encoding="utf-8")
