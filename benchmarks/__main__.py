"""Compare the engine with others: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import measure

os.environ.update(measure.ONE_THREAD)  # before NumPy is imported

from benchmarks import machine, picture, problems, startup, tables

DOCS = measure.HERE.parent / "docs"


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", default="700,3000,10000,100000", help="patients of the simulated study")
    parser.add_argument("--families", default=",".join(problems.FAMILIES), help="kinds of problems")
    parser.add_argument("--engines", default=",".join(measure.ENGINES), help="engines, alliance_stats among them")
    parser.add_argument("--repeats", type=int, default=7, help="warm calls, as far as the budget allows")
    parser.add_argument(
        "--budget", type=float, default=40.0, help="seconds for the warm calls of one engine and problem"
    )
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one call")
    parser.add_argument("--out", type=Path, default=DOCS / "benchmarks", help="folder for CSV, Markdown and PNG")
    parser.add_argument("--page", type=Path, help="page whose part between the marks is replaced by the tables")
    parser.add_argument("--others", type=Path, default=measure.default_venv(), help="environment of the PyPI engines")
    parser.add_argument("--install", action="store_true", help="install the PyPI engines into that environment first")
    parser.add_argument("--r-blas", type=Path, help="linear algebra library for R, such as OpenBLAS's libblas.so.3")
    chosen = parser.parse_args(arguments)
    if chosen.r_blas:
        os.environ[measure.R_BLAS] = str(chosen.r_blas)
    chosen.engines, chosen.families = chosen.engines.split(","), chosen.families.split(",")
    chosen.sizes = [int(size) for size in chosen.sizes.split(",")]
    for kind, given, known in (
        ("engine", chosen.engines, measure.ENGINES),
        ("family", chosen.families, problems.FAMILIES),
    ):
        unknown = [name for name in given if name not in known]
        if unknown:
            parser.error(f"no {kind} {', '.join(unknown)}; known: {', '.join(known)}")
    return chosen


def measure_all(chosen: argparse.Namespace) -> list[measure.Measurement]:
    """Return the measurements of all engines on all problems, engines next to each other in time."""
    found: list[measure.Measurement] = []
    given_up: set[tuple[str, str]] = set()
    for problem in problems.problems(chosen.sizes, chosen.families):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            described = problems.write_problem(problem, folder, {"repeats": chosen.repeats, "budget": chosen.budget})
            for engine in chosen.engines:
                if (problem.only and engine not in problem.only) or (engine, problem.name) in given_up:
                    continue
                done = measure.run(engine, described, folder, chosen.others, chosen.timeout)
                if done.status != "ok":
                    given_up.add((engine, problem.name))
                found.append(done)
                print(f"{problem.name:12} {problem.size:>7} {engine:15} {done.status} {_short(done)}", flush=True)
    return found


def _short(done: measure.Measurement) -> str:
    """Return the time and the memory of a measurement."""
    if done.seconds is None:
        return ""
    return f"{done.cold_s:.4f} s cold, {done.seconds:.4f} s, {(done.peak_bytes or 0) / 1e6:.0f} MB"


def floor_seconds(chosen: argparse.Namespace) -> float | None:
    """Return the time of one fixed small piece of work, to see how quiet the machine is."""
    problem = problems.Problem(
        "slope", 20_000, problems.STUDY_FIXED, problems.SLOPE, partial(problems.alliance_study, 20_000)
    )
    with tempfile.TemporaryDirectory() as name:
        described = problems.write_problem(problem, Path(name), {"repeats": 30, "budget": 5.0})
        return measure.run("floor", described, Path(name), chosen.others, 60.0).warm_median_s


def main() -> None:
    """Measure, and write tables and pictures."""
    chosen = options()
    chosen.out.mkdir(parents=True, exist_ok=True)
    if chosen.install:
        measure.install_others(chosen.others, chosen.engines)
    began, load, quiet = time.time(), machine.load(), floor_seconds(chosen)
    imports = startup.import_table(max(chosen.repeats, 5))
    found = measure_all(chosen)
    probes = [f"{1e3 * s:.2f} ms" for s in (quiet, floor_seconds(chosen)) if s is not None]
    facts = [
        *machine.description(),
        ("load average at start and end", f"{load:.2f}, {machine.load():.2f}"),
        ("the same small task at start and end", ", ".join(probes)),
        ("duration of the run", f"{(time.time() - began) / 60:.0f} min"),
        ("date", time.strftime("%Y-%m-%d")),
    ]
    text = tables.markdown(found, imports, facts)
    tables.write_csv(chosen.out / "results.csv", found)
    (chosen.out / "results.md").write_text(text, encoding="utf-8")
    picture.growth_plot(chosen.out / "growth.png", found)
    if chosen.page:
        tables.insert(chosen.page, text)
    print(f"Written to {chosen.out}")


if __name__ == "__main__":
    main()
