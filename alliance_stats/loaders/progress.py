"""Saying that a long step is still at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

PATIENCE = 2.0
"""Seconds after which a reader wants to know that something is still going on."""


@contextmanager
def waiting(text: str, *, after: float = PATIENCE) -> Iterator[None]:
    """Show a line with the time gone by on stderr, if the step takes long.

    Parameters
    ----------
    text : str
        What is going on; no ids, names or cells.
    after : float, in seconds
        Nothing is shown before.
    """
    done = Event()
    watcher = Thread(target=_watch, args=(text, done, after), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(text: str, done: Event, after: float) -> None:
    """Show the time gone by until the step is done."""
    if done.wait(after):
        return
    from tqdm import tqdm

    with tqdm(desc=text, bar_format="{desc}: {elapsed}", leave=False) as bar:
        while not done.wait(0.5):
            bar.refresh()
