"""How many threads linear algebra takes: small matrices are slower with several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# The libraries whose threads are held must be loaded before they are looked up.
import scipy.linalg  # noqa: F401

SMALL = 500
"""Columns up to which one thread is faster; with several, threads wait for each other, the more the busier the machine is."""


@cache
def _controller() -> Any:
    """Return what holds the threads of the linear algebra libraries that are loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def few_threads(n_columns: int) -> Iterator[None]:
    """Let linear algebra run in one thread while matrices are small, and leave it alone else.

    Parameters
    ----------
    n_columns : int
        Columns of the largest matrix that is factorised.
    """
    if n_columns > SMALL:
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield
