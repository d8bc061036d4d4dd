"""What a file held, before its table is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from alliance_stats.loaders.labels import Code, ColumnLabels


@dataclass(frozen=True)
class Reading:
    """What a file held.

    Parameters
    ----------
    frame : DataFrame
        One row per case.
    notes : tuple of str
    labels : mapping of str to ColumnLabels
    reasons : mapping
        Column to code to positions of the rows in which a code declared missing stood.
    reasons_text : str
        The same for files that `write_sessions` wrote, by the names of rows.
    as_read : tuple of str
        Columns whose type is known, so that their cells are left as they are.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    labels: Mapping[str, ColumnLabels] = field(default_factory=dict)
    reasons: Mapping[str, Mapping[Code, np.ndarray]] = field(default_factory=dict)
    reasons_text: str = ""
    as_read: tuple[str, ...] = ()

    def with_notes(self, *notes: str) -> Reading:
        """Return the reading with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def without_empty_rows(self) -> Reading:
        """Return the reading without rows in which no cell holds anything, with a note on how many there were."""
        empty = np.ones(len(self.frame), dtype=bool)
        for rows in (rows for by_code in self.reasons.values() for rows in by_code.values()):
            empty[rows] = False
        for name in self.frame.columns:
            if not empty.any():
                return self
            empty &= self.frame[name].isna().to_numpy()
        if not empty.any():
            return self
        place = np.cumsum(~empty) - 1
        reasons = {
            column: {code: place[rows] for code, rows in by_code.items()} for column, by_code in self.reasons.items()
        }
        left = replace(self, frame=self.frame[~empty].reset_index(drop=True), reasons=reasons)
        return left.with_notes(f"{int(empty.sum())} rows without any cell were left out.")
