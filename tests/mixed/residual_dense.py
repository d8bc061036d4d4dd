"""Models with correlated residuals written out with full matrices: an oracle that shares no code with the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_stats import LmmFit

Array = np.ndarray


def serial(frame: pd.DataFrame, time: str, by: list[str], rho: float) -> Array:
    """Return R of an autoregression."""
    times = frame[time].to_numpy(dtype=float)
    blocks = frame.groupby(by).ngroup().to_numpy()
    powers = np.power(rho, np.abs(np.subtract.outer(times, times)))
    return np.where(np.equal.outer(blocks, blocks), powers, 0.0)


def exchangeable(frame: pd.DataFrame, by: list[str], rho: float) -> Array:
    """Return R of compound symmetry."""
    blocks = frame.groupby(by).ngroup().to_numpy()
    return (1 - rho) * np.eye(len(frame)) + rho * np.equal.outer(blocks, blocks)


@dataclass(frozen=True)
class DenseModel:
    """Outcome, fixed effects and the covariance as a function of all variance parameters."""

    y: Array
    x: Array
    covariance: Callable[[Array], Array]

    def criterion(self, parameters: Array, *, reml: bool = True) -> float:
        """Return -2 log (restricted) likelihood with beta profiled out; nothing else is."""
        v = self.covariance(parameters)
        inverse = np.linalg.inv(v)
        information = self.x.T @ inverse @ self.x
        residual = self.y - self.x @ np.linalg.solve(information, self.x.T @ inverse @ self.y)
        n, p = self.x.shape
        value = np.linalg.slogdet(v)[1] + residual @ inverse @ residual
        if reml:
            return float(value + np.linalg.slogdet(information)[1] + (n - p) * np.log(2 * np.pi))
        return float(value + n * np.log(2 * np.pi))

    def slopes(self, parameters: Array, *, reml: bool) -> Array:
        """Return central differences of the criterion."""
        steps = 1e-6 * np.eye(parameters.size)
        return np.array(
            [
                (self.criterion(parameters + step, reml=reml) - self.criterion(parameters - step, reml=reml)) / 2e-6
                for step in steps
            ]
        )

    def beta_covariance(self, parameters: Array) -> Array:
        """Return the inverse of X'V^-1X."""
        return np.linalg.inv(self.x.T @ np.linalg.inv(self.covariance(parameters)) @ self.x)

    def beta(self, parameters: Array) -> Array:
        """Return the generalised least squares estimate."""
        inverse = np.linalg.inv(self.covariance(parameters))
        return np.linalg.solve(self.x.T @ inverse @ self.x, self.x.T @ inverse @ self.y)


def same(values: pd.Series) -> Array:
    """Return ones where two rows share a level."""
    codes = pd.factorize(values)[0]
    return np.equal.outer(codes, codes).astype(float)


def variances(fit: LmmFit) -> Array:
    """Return variances of the random intercepts in the formula's order, then the residual variance."""
    table = fit.variance_components()
    return table.loc[table["kind"] == "variance", "estimate"].to_numpy()


def study(seed: int = 7, *, n_patients: int = 14, rho: float = 0.6) -> pd.DataFrame:
    """Return sessions with gaps of patients in therapists, in random order, with serially correlated residuals."""
    rng = np.random.default_rng(seed)
    parts = []
    for patient in range(n_patients):
        session = np.sort(rng.choice(9, int(rng.integers(4, 8)), replace=False)) + 1
        day = np.cumsum(rng.choice([3.0, 7.0, 7.0, 10.5], 10))[session]
        error = np.linalg.cholesky(rho ** np.abs(np.subtract.outer(session, session))) @ rng.normal(size=session.size)
        scale = np.where(session > 4, 1.6, 1.0)
        parts.append(
            pd.DataFrame(
                {
                    "patient": f"P{patient:02d}",
                    "therapist": f"T{patient % 4}",
                    "session": session,
                    "day": day,
                    "phase": np.where(session > 4, "late", "early"),
                    "alliance": rng.normal(4, 1, session.size),
                    "weight": rng.uniform(0.5, 2.0, session.size),
                    "distress": 20 + rng.normal(0, 0.8) - 0.3 * session + scale * error,
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    frame["distress"] -= 0.4 * frame["alliance"]
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def couples(seed: int = 11, *, n_dyads: int = 20, rho: float = -0.5) -> pd.DataFrame:
    """Return two partners' ratings per session, with residuals that differ in size and correlate within a session."""
    rng = np.random.default_rng(seed)
    rows = []
    for dyad in range(n_dyads):
        level = rng.normal(0, 0.7)
        for session in range(1, int(rng.integers(4, 7))):
            first, own = rng.normal(size=2)
            errors = first, 1.8 * (rho * first + np.sqrt(1 - rho**2) * own)
            for role, error in zip(("client", "partner"), errors, strict=True):
                rows.append((f"D{dyad}", session, role, rng.normal(), 5 + level + 0.2 * session + error))
    frame = pd.DataFrame(rows, columns=["dyad", "session", "role", "closeness", "satisfaction"])
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True).drop(index=[3, 17, 40])
