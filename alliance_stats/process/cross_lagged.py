"""The random-intercept cross-lagged panel model of two ratings (Hamaker, Kuiper & Grasman, 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from alliance_stats.process.path_model import Cell, PathModel

AUTOREGRESSION_START = 0.2


def cross_lagged_model(n_waves: int, *, constant: bool) -> PathModel:
    """Write down the model.

    Parameters
    ----------
    n_waves : int
        Observed are ``n_waves`` sessions of the first rating, then as many of the second.
    constant : bool
        Whether lagged effects are equal over sessions.

    Returns
    -------
    PathModel
        Lagged effects are named ``"1~2"`` (first rating by second), with ``constant=False`` ``"1~2@w"`` for the effect on
        session w (from 1 on); variances of the intercepts ``"i1"``, ``"i2"``, their covariance ``"i12"``.

    Notes
    -----
    Each rating is mean of the session + intercept of the patient + deviation. Deviations follow the lagged effects;
    variances and covariances of what is new in a session are free in each session. Intercepts are independent of
    deviations.
    """
    observed = (range(n_waves), range(n_waves, 2 * n_waves))
    intercepts = (2 * n_waves, 2 * n_waves + 1)
    deviations = tuple(range(start, start + n_waves) for start in (2 * n_waves + 2, 3 * n_waves + 2))
    cells: list[Cell] = []
    for rating in (0, 1):
        for wave in range(n_waves):
            own = observed[rating][wave]
            cells += [
                Cell("path", own, intercepts[rating], 1.0),
                Cell("path", own, deviations[rating][wave], 1.0),
                Cell("mean", own, 0, 0.0, f"m{rating + 1}@{wave + 1}"),
            ]
    cells += _pair("i", intercepts, 0.4)
    cells += _pair("u@1", (deviations[0][0], deviations[1][0]), 0.6)
    for before, now in pairwise(range(n_waves)):
        cells += _lagged(deviations, before, now, "" if constant else f"@{now + 1}")
        cells += _pair(f"u@{now + 1}", (deviations[0][now], deviations[1][now]), 0.5)
    return PathModel(tuple(cells), 2 * n_waves, 4 * n_waves + 2)


def _lagged(deviations: Sequence[Sequence[int]], before: int, now: int, suffix: str) -> list[Cell]:
    """Return the four lagged effects on one session."""
    return [
        Cell(
            "path",
            deviations[outcome][now],
            deviations[source][before],
            AUTOREGRESSION_START if outcome == source else 0.0,
            f"{outcome + 1}~{source + 1}{suffix}",
        )
        for outcome in (0, 1)
        for source in (0, 1)
    ]


def _pair(name: str, variables: tuple[int, int], variance: float) -> list[Cell]:
    """Return variances and covariance of two variables."""
    first, second = variables
    head, _, tail = name.partition("@")
    at = f"@{tail}" if tail else ""
    return [
        Cell("covariance", first, first, variance, f"{head}1{at}"),
        Cell("covariance", second, second, variance, f"{head}2{at}"),
        Cell("covariance", first, second, 0.0, f"{head}12{at}"),
    ]
