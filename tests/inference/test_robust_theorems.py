"""What cluster-robust covariances must satisfy, checked on arrays and on fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag, sqrtm
from scipy.stats import ttest_ind

from alliance_stats import lmm
from alliance_stats.errors import ModelError
from alliance_stats.inference.robust import robust_joint, robust_linear
from alliance_stats.inference.sandwich import sandwich

TYPES = ("CR0", "CR1", "CR1S", "CR2")


@dataclass(frozen=True)
class Block:
    x: np.ndarray
    residual: np.ndarray
    covariance: np.ndarray


def make_blocks(seed: int = 1, *, sizes: tuple[int, ...] = (3, 5, 4, 5, 7, 3, 4, 6)) -> list[Block]:
    """Return clusters of unequal size with a predictor within and one between, and unlike covariances."""
    rng = np.random.default_rng(seed)
    blocks = []
    for place, size in enumerate(sizes):
        root = rng.normal(size=(size, size))
        x = np.column_stack([np.ones(size), rng.normal(size=size), np.full(size, place % 3)])
        blocks.append(Block(x, np.zeros(size), root @ root.T + np.eye(size)))
    y = rng.normal(size=sum(sizes))
    return with_residuals(blocks, y - dense(blocks)[3] @ y)


def with_residuals(blocks: list[Block], residual: np.ndarray) -> list[Block]:
    cuts = np.cumsum([len(b.residual) for b in blocks])[:-1]
    return [replace(b, residual=own) for b, own in zip(blocks, np.split(residual, cuts), strict=True)]


def dense(blocks: list[Block]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return X, V, M = (X'V^-1 X)^-1 and the hat matrix H of all rows."""
    x, v = np.vstack([b.x for b in blocks]), block_diag(*[b.covariance for b in blocks])
    m = np.linalg.inv(x.T @ np.linalg.solve(v, x))
    return x, v, m, x @ m @ x.T @ np.linalg.inv(v)


def adjusted_weights(blocks: list[Block]) -> list[np.ndarray]:
    """Return M X_c' V_c^-1 A_c of each cluster with the A_c of CR2, written out."""
    _, _, m, _ = dense(blocks)
    found = []
    for block in blocks:
        low = np.linalg.cholesky(block.covariance)
        inner = low.T @ (block.covariance - block.x @ m @ block.x.T) @ low
        adjust = low @ np.linalg.inv(np.real(sqrtm(inner))) @ low.T
        found.append(m @ block.x.T @ np.linalg.inv(block.covariance) @ adjust)
    return found


def averaged_covariance(blocks: list[Block], robust: Any) -> np.ndarray:
    """Return the expectation of the robust covariance under the working model, from V in the place of ee'."""
    _, v, _, hat = dense(blocks)
    residuals = (np.eye(len(v)) - hat) @ np.linalg.cholesky(v)
    return sum(sandwich(with_residuals(blocks, column), robust).covariance() for column in residuals.T)


def test_cr2_has_no_bias_under_the_working_model() -> None:
    blocks = make_blocks()
    np.testing.assert_allclose(averaged_covariance(blocks, "CR2"), dense(blocks)[2], rtol=1e-10)


def test_cr0_is_too_small_under_the_working_model() -> None:
    blocks = make_blocks()
    shortfall = dense(blocks)[2] - averaged_covariance(blocks, "CR0")
    assert np.linalg.eigvalsh(shortfall).min() > 0


@pytest.mark.parametrize("robust", TYPES)
def test_the_expected_covariance_is_the_average_over_the_working_model(robust: Any) -> None:
    blocks = make_blocks()
    found = sandwich(blocks, robust).expected_covariance()
    np.testing.assert_allclose(found, averaged_covariance(blocks, robust), rtol=1e-10)


def test_the_covariance_is_that_of_the_written_out_formula() -> None:
    blocks = make_blocks()
    halves = [w @ b.residual for w, b in zip(adjusted_weights(blocks), blocks, strict=True)]
    np.testing.assert_allclose(sandwich(blocks, "CR2").covariance(), sum(np.outer(h, h) for h in halves), rtol=1e-9)


def cross_covariances(blocks: list[Block], rows: np.ndarray) -> np.ndarray:
    """Return the covariance between the clusters' parts of each pair of combinations, shape (m, m, k, k)."""
    _, v, _, hat = dense(blocks)
    error = (np.eye(len(v)) - hat) @ v @ (np.eye(len(v)) - hat).T
    ends = np.cumsum([len(b.residual) for b in blocks])
    cuts = [slice(end - len(b.residual), end) for end, b in zip(ends, blocks, strict=True)]
    weights = [rows @ w for w in adjusted_weights(blocks)]
    return np.array(
        [
            [a @ error[i, j] @ b.T for j, b in zip(cuts, weights, strict=True)]
            for i, a in zip(cuts, weights, strict=True)
        ]
    )


def test_satterthwaite_degrees_of_freedom_match_the_first_two_moments() -> None:
    blocks = make_blocks()
    rows = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, -1.0, 2.0]])
    variance, df = sandwich(blocks, "CR2").variances(rows)
    parts = cross_covariances(blocks, rows)
    for k in range(3):
        own = parts[:, :, k, k]
        assert df[k] == pytest.approx(np.trace(own) ** 2 / np.sum(own**2), rel=1e-9)
    np.testing.assert_allclose(variance, np.diagonal(rows @ sandwich(blocks, "CR2").covariance() @ rows.T), rtol=1e-10)


def test_hotelling_degrees_of_freedom_match_the_total_variance_of_the_covariance() -> None:
    blocks = make_blocks()
    rows = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    parts = cross_covariances(blocks, rows)
    scale = np.linalg.inv(np.real(sqrtm(np.einsum("iist->st", parts))))
    parts = np.einsum("us,ijst,tv->ijuv", scale, parts, scale)
    total = sum(
        np.sum(parts[:, :, s, s] * parts[:, :, t, t] + parts[:, :, s, t] * parts[:, :, t, s])
        for s in range(2)
        for t in range(2)
    )
    estimate = np.array([0.2, -0.5, 0.8])
    found = sandwich(blocks, "CR2").hotelling(rows, estimate)
    eta = 2 * 3 / total
    wald = estimate[1:] @ np.linalg.solve(sandwich(blocks, "CR2").covariance()[1:, 1:], estimate[1:])
    assert found.df_denominator == pytest.approx(eta - 1, rel=1e-9)
    assert found.statistic == pytest.approx(wald * (eta - 1) / (2 * eta), rel=1e-9)


def test_two_groups_of_independent_rows_give_welchs_test() -> None:
    rng = np.random.default_rng(5)
    groups = [rng.normal(3, 1, 9), rng.normal(4, 3, 5)]
    blocks = [
        Block(np.eye(2)[[g]], np.array([value - own.mean()]), np.array([[own.var(ddof=1)]]))
        for g, own in enumerate(groups)
        for value in own
    ]
    welch = ttest_ind(*groups, equal_var=False)
    variance, df = sandwich(blocks, "CR2").variances(np.array([[1.0, -1.0]]))
    assert (groups[0].mean() - groups[1].mean()) / np.sqrt(variance[0]) == pytest.approx(welch.statistic, rel=1e-12)
    assert df[0] == pytest.approx(welch.df, rel=1e-12)


def test_two_groups_with_an_equal_variance_model_give_welchs_standard_error_and_bell_mccaffreys_df() -> None:
    rng = np.random.default_rng(6)
    groups = [rng.normal(3, 1, 9), rng.normal(4, 3, 5)]
    blocks = [Block(np.eye(2)[[g]], np.array([v - own.mean()]), np.eye(1)) for g, own in enumerate(groups) for v in own]
    variance, df = sandwich(blocks, "CR2").variances(np.array([[1.0, -1.0]]))
    a, b = (len(own) for own in groups)
    assert variance[0] == pytest.approx(sum(own.var(ddof=1) / len(own) for own in groups), rel=1e-12)
    assert df[0] == pytest.approx((1 / a + 1 / b) ** 2 / (1 / (a**2 * (a - 1)) + 1 / (b**2 * (b - 1))), rel=1e-12)


def with_lone_dummy(blocks: list[Block]) -> list[Block]:
    """Return the clusters with an indicator of the third, whose mean residual is then zero."""
    wider = [replace(b, x=np.column_stack([b.x, np.full(len(b.x), float(k == 2))])) for k, b in enumerate(blocks)]
    y = np.random.default_rng(8).normal(size=sum(len(b.x) for b in blocks))
    return with_residuals(wider, y - dense(wider)[3] @ y)


def test_a_saturated_cluster_is_corrected_with_the_symmetric_generalised_inverse_root() -> None:
    blocks = with_lone_dummy(make_blocks(3))
    _, _, m, _ = dense(blocks)
    expected = np.zeros((4, 4))
    for k, block in enumerate(blocks):
        low = np.linalg.cholesky(block.covariance)
        values, vectors = np.linalg.eigh(low.T @ (block.covariance - block.x @ m @ block.x.T) @ low)
        assert (values[0] < 1e-10) == (k == 2)
        root = (vectors[:, k == 2 :] / np.sqrt(values[k == 2 :])) @ vectors[:, k == 2 :].T
        half = m @ block.x.T @ np.linalg.inv(block.covariance) @ low @ root @ low.T @ block.residual
        expected += np.outer(half, half)
    np.testing.assert_allclose(sandwich(blocks, "CR2").covariance(), expected, rtol=1e-8)


@pytest.mark.parametrize("unit", [1e-14, 1e14])
def test_the_unit_of_the_working_covariance_does_not_matter(unit: float) -> None:
    blocks = with_lone_dummy(make_blocks(3))
    plain = sandwich(blocks, "CR2")
    scaled = sandwich([replace(b, covariance=unit * b.covariance) for b in blocks], "CR2")
    np.testing.assert_allclose(scaled.covariance(), plain.covariance(), rtol=1e-8)
    np.testing.assert_allclose(scaled.variances(np.eye(4))[1], plain.variances(np.eye(4))[1], rtol=1e-8)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            [Block(np.ones((2, 1)), np.zeros(2), np.ones((2, 2)))] * 3,
            r"cluster with 2 rows is not positive definite(.|\n)*own",
        ),
        (
            [Block(np.ones((2, 2)), np.zeros(2), np.eye(2))] * 3,
            r"2 columns depend on each other in 6 rows(.|\n)*leave one",
        ),
        ([Block(np.zeros((2, 1)), np.zeros(2), np.eye(2))] * 3, r"1 columns depend on each other in 6 rows"),
    ],
)
def test_arrays_that_carry_no_estimate_are_refused(blocks: list[Block], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        sandwich(blocks, "CR2")


@pytest.fixture(scope="module")
def sessions() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    patient = np.repeat(np.arange(36), rng.integers(2, 6, 36))
    rows = pd.DataFrame({"patient": patient, "therapist": patient % 9, "session": np.arange(patient.size) % 5 + 1.0})
    rows["trainee"] = rows["therapist"] % 2
    rows["y"] = (
        rows["session"] + rng.normal(size=36)[patient] + rng.normal(size=9)[patient % 9] + rng.normal(size=patient.size)
    )
    return rows


FORMULA = "y ~ session * trainee + (1 | patient) + (1 | therapist)"


def test_the_order_of_rows_and_the_names_of_clusters_do_not_matter(sessions: pd.DataFrame) -> None:
    plain = lmm(FORMULA, sessions)
    other = sessions.sample(frac=1, random_state=3)
    other = other.assign(therapist=[f"T{(7 * t) % 9}" for t in other["therapist"]])
    mixed = lmm(FORMULA, other)
    for a, b in zip(
        robust_linear(plain, np.eye(4), robust="CR2"), robust_linear(mixed, np.eye(4), robust="CR2"), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(
        robust_joint(plain, np.eye(4)[2:], robust="CR2"), robust_joint(mixed, np.eye(4)[2:], robust="CR2"), rtol=1e-5
    )


def test_units_change_standard_errors_in_proportion_and_tests_not_at_all(sessions: pd.DataFrame) -> None:
    plain = robust_linear(lmm(FORMULA, sessions), np.eye(4), robust="CR2")
    other = sessions.assign(y=1000 * sessions["y"] + 5, session=sessions["session"] / 1e4)
    scaled_fit = lmm(FORMULA, other)
    scaled = robust_linear(scaled_fit, np.eye(4), robust="CR2")
    unit = np.array([1e3, 1e7, 1e3, 1e7])
    np.testing.assert_allclose(scaled.std_error, plain.std_error * unit, rtol=1e-6)
    np.testing.assert_allclose(scaled.df, plain.df, rtol=1e-5)


def test_the_correction_matters_more_the_fewer_the_clusters(sessions: pd.DataFrame) -> None:
    few = lmm("y ~ session + trainee + (1 | patient)", sessions[sessions["therapist"] < 5])
    by_type = {
        kind: robust_linear(
            few, np.eye(3), robust=kind, cluster=sessions["therapist"][sessions["therapist"] < 5]
        ).std_error[2]
        for kind in ("CR0", "CR1", "CR1S", "CR2")
    }
    assert by_type["CR0"] < by_type["CR1"] < by_type["CR1S"]
    assert by_type["CR2"] > 1.1 * by_type["CR0"]
