"""Running many replicates: one seed each, in chunks, on one or more processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.mixed.levelsums import Floats

Seed: TypeAlias = int | np.random.SeedSequence
"""A whole number, or a sequence that a larger study has spawned."""

MAX_FAILED = 0.2
"""Share of failed replicates above which the others are no fair sample of what could have been."""

_JOBS_HINT = "use n_jobs=1 for one process, -1 for as many as there are cores."

CHUNKS_PER_WORKER = 8
BAR_AFTER = 1.0
"""Seconds after which a progress bar is shown."""


@dataclass(frozen=True)
class Replicate:
    """One replicate.

    Parameters
    ----------
    values : ndarray, shape (k,), or None
        None if the refit failed.
    singular : bool
    """

    values: Floats | None
    singular: bool


Task: TypeAlias = Callable[[np.random.Generator], Replicate]
"""Makes one replicate from its own generator."""


@dataclass(frozen=True)
class Replicates:
    """What all replicates gave.

    Parameters
    ----------
    draws : ndarray, shape (n, k)
        A row of NaN where a refit failed.
    n_failed, n_singular : int
    """

    draws: Floats
    n_failed: int
    n_singular: int


def run_replicates(task: Task, n: int, seed: Seed, *, n_jobs: int, progress: bool) -> Replicates:
    """Run a task with n independent generators.

    Parameters
    ----------
    task : callable
    n : int
    seed : int or SeedSequence
        Each replicate gets its own child, so that results do not depend on the number of workers.
    n_jobs : int
        Processes; -1 for as many as there are cores.
    progress : bool
        Show a bar on stderr when it takes longer than a second.

    Raises
    ------
    ConvergenceError
        If more than a fifth of the replicates fail.
    """
    seeds = spawned_seeds(seed, n)
    _require_whole("n_jobs", n_jobs, at_least=-1, hint=_JOBS_HINT)
    if n_jobs == 0:
        raise ModelError.build("n_jobs is 0.", hint=_JOBS_HINT)
    from tqdm import tqdm

    done: list[Replicate] = []
    with tqdm(total=n, desc="Refitting", unit="fit", disable=not progress, delay=BAR_AFTER, file=sys.stderr) as bar:
        for chunk in _chunks_done(task, seeds, n_jobs):
            done += chunk
            bar.update(len(chunk))
    values = [replicate.values for replicate in done if replicate.values is not None]
    n_failed = n - len(values)
    if n_failed > MAX_FAILED * n:
        raise ConvergenceError.build(
            f"{n_failed} of {n} refits failed; at most {MAX_FAILED:.0%} may.",
            hint="simplify the random part, or drop predictors that few levels tell apart.",
        )
    missing = np.full(values[0].size, np.nan)
    draws = np.stack([missing if replicate.values is None else replicate.values for replicate in done])
    return Replicates(draws, n_failed, sum(replicate.singular for replicate in done))


def spawned_seeds(seed: Seed, n: int) -> list[np.random.SeedSequence]:
    """Return n independent seeds that depend on ``seed`` only, also when it has spawned others before."""
    _require_whole("n", n, at_least=2, hint="use n=1000.")
    if isinstance(seed, np.random.SeedSequence):
        fresh = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
        return fresh.spawn(n)
    _require_whole("seed", seed, at_least=0, hint="use seed=1, say; it makes the draws repeatable.")
    return np.random.SeedSequence(seed).spawn(n)


def _require_whole(name: str, value: object, *, at_least: int, hint: str) -> None:
    """Raise a ModelError if a count is not a whole number of some size."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < at_least:  # type: ignore[operator]
        shown = repr(value) if isinstance(value, (int, float, str)) or value is None else f"a {type(value).__name__}"
        raise ModelError.build(f"{name} is {shown}; it must be a whole number of {at_least} or more.", hint=hint)


def _chunks_done(task: Task, seeds: Sequence[np.random.SeedSequence], n_jobs: int) -> Iterator[list[Replicate]]:
    """Yield the replicates in order, chunk by chunk."""
    if n_jobs == 1:
        for seed in seeds:
            yield _run_chunk(task, [seed])
        return
    from joblib import Parallel, delayed, effective_n_jobs

    size = max(1, len(seeds) // (CHUNKS_PER_WORKER * effective_n_jobs(n_jobs)))
    chunks = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    yield from Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_run_chunk)(task, chunk) for chunk in chunks)


def _run_chunk(task: Task, seeds: Sequence[np.random.SeedSequence]) -> list[Replicate]:
    """Return one replicate per seed."""
    return [task(np.random.default_rng(seed)) for seed in seeds]
