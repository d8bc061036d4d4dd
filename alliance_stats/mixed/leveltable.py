"""The predicted effects of every level of a grouping factor, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from alliance_stats.errors import ModelError, unknown_name

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


def level_table(fit: LmmFit, group: str | None) -> pd.DataFrame:
    """Return one row per level and effect of a grouping factor; see LmmFit.random_effects."""
    names = [g.name for g in fit.design.groupings]
    if group is None and len(names) > 1:
        raise ModelError.build("The model has several grouping factors.", hint=f"name one of {', '.join(names)}.")
    if group is not None and group not in names:
        raise unknown_name(ModelError, "grouping factor", group, names)
    k = 0 if group is None else names.index(group)
    grouping = fit.design.groupings[k]
    modes, spread = fit.level_effects(k)
    effects = [name for term in fit.design.terms if term.grouping is grouping for name in term.names]
    labels = grouping.labels.repeat(len(effects))
    return pd.DataFrame(
        {
            "level": labels.to_numpy() if labels.nlevels == 1 else labels.to_flat_index(),
            "term": effects * len(grouping.labels),
            "estimate": modes.T.ravel(),
            "std_error": spread.T.ravel(),
        }
    )


def all_level_tables(fit: LmmFit) -> pd.DataFrame:
    """Return the predicted effects of all grouping factors, one row per group, level and effect."""
    parts = [level_table(fit, g.name).assign(group=g.name) for g in fit.design.groupings]
    return pd.concat(parts, ignore_index=True)[["group", "level", "term", "estimate", "std_error"]]
