"""Independent blocks of rows and their covariances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_stats import compound_symmetry, lmm
from alliance_stats.errors import ModelError
from alliance_stats.inference import rowblocks
from alliance_stats.inference.rowblocks import connected_rows, nesting_factors, require_nested, row_blocks
from alliance_stats.mixed.fit import LmmFit


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(30), rng.integers(2, 6, 30))
    n = patient.size
    rows = pd.DataFrame({"patient": patient, "therapist": patient % 7, "session": np.arange(n) % 5 + 1.0})
    rows["site"] = rows["therapist"] // 3
    rows["weight"] = rng.uniform(0.5, 2, n)
    rows["rater"] = 10 * rows["site"] + rng.integers(0, 4, n)
    effects = rng.normal(size=30)[patient] + 0.3 * rng.normal(size=30)[patient] * rows["session"]
    rows["y"] = 5 - rows["session"] + effects + rng.normal(size=7)[rows["therapist"]] + rng.normal(size=n)
    return rows.sample(frac=1, random_state=2)


@pytest.fixture(scope="module")
def fit(frame: pd.DataFrame) -> LmmFit:
    return lmm("y ~ session + (1 + session | patient) + (1 | therapist)", frame, weights="weight")


def dense_covariance(fit: LmmFit) -> np.ndarray:
    """Return the covariance of the outcome from indicator columns, shape (n, n)."""
    total = np.diag(1.0 / fit.design.weights)
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        member = np.eye(len(term.grouping.labels))[term.grouping.codes]
        columns = [np.ones(fit.n_obs) if c is None else c for c in term.columns]
        z = np.hstack([member * column[:, None] for column in columns])
        total += z @ np.kron(factor @ factor.T, np.eye(member.shape[1])) @ z.T
    return fit.sigma**2 * total


def test_blocks_hold_the_covariance_the_model_implies_and_nothing_lies_outside_them(fit: LmmFit) -> None:
    dense = dense_covariance(fit)
    blocks = row_blocks(fit)
    for block in blocks:
        np.testing.assert_allclose(block.covariance, dense[np.ix_(block.rows, block.rows)], rtol=1e-12)
        dense[np.ix_(block.rows, block.rows)] = 0.0
    assert len(blocks) == fit.n_levels["therapist"]
    np.testing.assert_array_equal(dense, 0.0)


def test_blocks_hold_the_covariance_of_structured_residuals(frame: pd.DataFrame) -> None:
    rows = frame.assign(pair=frame["patient"].astype(str) + ":" + (frame["session"] > 3).astype(str))
    fit = lmm("y ~ session + (1 | patient)", rows, weights="weight", residual=compound_symmetry(by="pair"))
    rho = float(fit.residual.estimates[0])
    assert abs(rho) > 0.01
    variance = fit.sigma**2 / rows["weight"].to_numpy()
    level, pair = rows["patient"].to_numpy(), rows["pair"].to_numpy()
    between = fit.sigma**2 * float(fit.term_factors[0][0, 0]) ** 2
    for block in row_blocks(fit):
        own = block.rows
        same = (pair[own][:, None] == pair[own][None, :]) * rho
        np.fill_diagonal(same, 1.0)
        expected = between + same * np.sqrt(np.outer(variance[own], variance[own]))
        assert np.unique(level[own]).size == 1
        np.testing.assert_allclose(block.covariance, expected, rtol=1e-10)


def test_every_row_lies_in_one_block_with_its_own_columns_and_residual(fit: LmmFit, frame: pd.DataFrame) -> None:
    blocks = row_blocks(fit)
    rows = np.concatenate([block.rows for block in blocks])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(frame)))
    x = np.concatenate([block.x for block in blocks])
    np.testing.assert_array_equal(x, np.column_stack([np.ones(len(frame)), frame["session"]])[rows])
    expected = frame["y"].to_numpy()[rows] - x @ fit.fixed_effects.to_numpy()
    np.testing.assert_allclose(np.concatenate([b.residual for b in blocks]), expected, rtol=1e-12, atol=1e-12)


def test_given_clusters_merge_smaller_blocks_in_the_order_of_their_codes(fit: LmmFit, frame: pd.DataFrame) -> None:
    site = frame["site"].to_numpy()
    blocks = row_blocks(fit, site)
    assert len(blocks) == 3
    for code, block in enumerate(blocks):
        assert set(site[block.rows]) == {code}
        assert np.all(np.linalg.eigvalsh(block.covariance) > 0)


def test_components_of_crossed_factors_are_found(frame: pd.DataFrame) -> None:
    crossed = lmm("y ~ session + (1 | patient) + (1 | rater)", frame)
    found = pd.crosstab(connected_rows(crossed), frame["site"].to_numpy())
    assert found.shape == (3, 3)
    assert np.all((found > 0).sum(axis=0) == 1)
    assert nesting_factors(crossed) == []
    assert np.linalg.norm(dense_weightless(crossed)) == 0.0


def dense_weightless(fit: LmmFit) -> np.ndarray:
    """Return what the blocks leave of the same-level indicator of every factor, shape (n, n)."""
    outside = np.ones((fit.n_obs, fit.n_obs))
    for block in row_blocks(fit):
        outside[np.ix_(block.rows, block.rows)] = 0.0
    same = sum((g.codes[:, None] == g.codes[None, :]).astype(float) for g in fit.design.groupings)
    return outside * same


@pytest.mark.parametrize(
    ("formula", "hint"),
    [
        ("y ~ session + (1 | patient) + (1 | therapist)", "cluster='therapist'"),
        ("y ~ session + (1 | patient) + (1 | rater)", r"3 unconnected parts.*cluster=frame\['site'\]"),
    ],
)
def test_clusters_that_cut_through_random_effects_are_refused(frame: pd.DataFrame, formula: str, hint: str) -> None:
    fit = lmm(formula, frame)
    inner = fit.design.groupings[0].codes
    with pytest.raises(ModelError, match=rf"have rows in two or more of the parts(.|\n)*{hint}"):
        require_nested(fit, inner * 0 + np.arange(inner.size) % 2, "the parts")


def test_one_large_crossed_component_has_no_clusters(frame: pd.DataFrame) -> None:
    rows = frame.assign(rater=np.arange(len(frame)) % 6)
    fit = lmm("y ~ session + (1 | patient) + (1 | rater)", rows)
    with pytest.raises(ModelError, match=r"6 of 6 levels of 'rater'(.|\n)*no independent clusters"):
        row_blocks(fit, fit.design.groupings[0].codes)


def test_a_block_too_large_for_its_covariance_is_refused_with_its_size(
    fit: LmmFit, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rowblocks, "MAX_BLOCK_ROWS", 10)
    with pytest.raises(ModelError, match=rf"of {len(frame)} rows; up to 10(.|\n)*smaller levels"):
        row_blocks(fit)
