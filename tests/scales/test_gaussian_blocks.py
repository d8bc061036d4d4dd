from __future__ import annotations

import numpy as np
import pytest

from alliance_stats.scales.gaussian_blocks import Evaluation, maximise

CURVATURE = np.array([[4.0, 1.0], [1.0, 3.0]])
TOP = np.array([0.5, -2.0])


@pytest.mark.parametrize("overshoot", [0.3, 1.0, 1.7, 1.98, 2.02, 3.5])
def test_the_search_ends_soon_though_the_expected_information_is_too_small_or_too_large(overshoot: float) -> None:
    calls = []

    def likelihood(theta: np.ndarray) -> Evaluation:
        calls.append(1)
        away = theta - TOP
        return Evaluation(float(away @ CURVATURE @ away), 2.0 * CURVATURE @ away, CURVATURE / overshoot)

    found = maximise(likelihood, np.array([30.0, 40.0]))
    assert found.converged
    np.testing.assert_allclose(found.theta, TOP, atol=1e-7)
    assert len(calls) < 200


def test_the_search_steps_back_from_the_end_of_the_model() -> None:
    def likelihood(theta: np.ndarray) -> Evaluation | None:
        if theta[0] <= 0:
            return None
        # -2 log likelihood of a scale: smallest at 1, not defined below 0
        return Evaluation(
            float(2 * np.log(theta[0]) + 1 / theta[0] ** 2), 2 / theta - 2 / theta**3, np.array([[2.0]]) / theta[0] ** 2
        )

    found = maximise(likelihood, np.array([0.2]))
    assert found.converged
    assert found.theta[0] == pytest.approx(1.0, abs=1e-7)
