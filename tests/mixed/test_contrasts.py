"""Contrasts of categories named in a formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_stats import ColumnError, lmm
from alliance_stats.mixed.encoder import required_columns


def test_the_module_of_contrasts_is_no_column() -> None:
    assert required_columns(["C(arm, contr.sum) + np.log(x)"]) == ["arm", "x"]


def test_a_column_of_that_name_still_counts() -> None:
    assert required_columns(["np.log(contr) + C(contr, contr.sum)"]) == ["contr"]


def test_sum_contrasts_give_the_same_model() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"g": np.repeat(np.arange(10), 6), "arm": list("abc") * 20, "y": rng.normal(size=60)})
    plain, summed = (lmm(f"y ~ {arm} + (1 | g)", frame) for arm in ("arm", "C(arm, contr.sum)"))
    assert np.allclose(summed.predict(random=False), plain.predict(random=False), atol=1e-8)
    assert np.isclose(summed.fixed_effects.iloc[0], frame.groupby("arm")["y"].mean().mean())


def test_a_missing_column_inside_contrasts_is_named() -> None:
    frame = pd.DataFrame({"g": [1, 1, 2, 2], "y": [1.0, 2.0, 3.0, 5.0]})
    with pytest.raises(ColumnError, match=r"No column 'arm'(.|\n)*Hint"):
        lmm("y ~ C(arm, contr.sum) + (1 | g)", frame)
