"""Random designs of every kind that the engine promises to fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from mixed_dense import Array, Problem, Term

STRUCTURES = ("one", "nested", "crossed", "partial", "chain", "nested_crossed", "implicit")


def dense_codes(values: Array) -> Array:
    """Return codes without gaps."""
    return np.unique(values, return_inverse=True)[1].astype(int)


def _codes(rng: np.random.Generator, structure: str, n: int) -> dict[str, Array]:
    """Return codes of the grouping factors, largest levels first or not, as it falls."""
    inner = dense_codes(rng.integers(0, max(4, n // int(rng.integers(3, 7))), n))
    if rng.random() < 0.5:
        inner = np.sort(inner)
    parent = rng.integers(0, max(2, (inner.max() + 1) // 3), inner.max() + 1)
    other = rng.integers(0, int(rng.integers(3, 7)), n)
    if structure == "one":
        return {"g": inner}
    if structure in ("nested", "implicit"):
        return {"g": inner, "h": dense_codes(parent[inner])}
    if structure == "crossed":
        return {"g": inner, "h": dense_codes(other)}
    if structure == "partial":
        own = rng.integers(0, 5, inner.max() + 1)[inner]
        return {"g": inner, "h": dense_codes(np.where(rng.random(n) < 0.3, other, own))}
    mid = dense_codes(parent[inner])
    if structure == "chain":
        top = rng.integers(0, max(2, (mid.max() + 1) // 2), mid.max() + 1)
        return {"h": mid, "g": inner, "k": dense_codes(top[mid])}
    return {"h": mid, "k": dense_codes(other), "g": inner}


def _theta(rng: np.random.Generator, q: int, *, extreme: bool) -> Array:
    """Return a lower triangular Lambda: zero or ordinary, and tiny or huge if that is wanted."""
    sizes = [0.0, 1e-3, 0.3, 1.0, 1.0, 3.0, 30.0, 300.0] if extreme else [0.0, 0.3, 1.0, 3.0]
    size = float(rng.choice(sizes))
    lam = np.tril(rng.normal(size=(q, q))) * size
    if q > 1 and rng.random() < 0.2:
        lam[:, -1] = 0.0
    return lam


def _terms(rng: np.random.Generator, codes: dict[str, Array], columns: list[Array], names: list[str]) -> list[Term]:
    """Return one to three bars, with and without slopes and correlations."""
    n = columns[0].size
    ones, terms = np.ones(n), []
    free = n - 2
    for k, (name, own) in enumerate(codes.items()):
        n_levels = int(own.max()) + 1
        n_slopes = int(rng.choice([0, 1, 2], p=[0.5, 0.35, 0.15])) if k < 2 else 0
        while n_slopes and n_levels * (1 + n_slopes) >= free:
            n_slopes -= 1
        if n_levels < 2 or n_levels >= free:
            continue
        slopes, labels = columns[:n_slopes], names[:n_slopes]
        if n_slopes and rng.random() < 0.4:
            terms.append(Term(own, (ones,), f"(1 | {name})", name, ("1",)))
            terms += [
                Term(own, (slope,), f"(0 + {label} | {name})", name, (label,))
                for slope, label in zip(slopes, labels, strict=True)
            ]
        else:
            text = " + ".join(["1", *labels])
            terms.append(Term(own, (ones, *slopes), f"({text} | {name})", name, ("1", *labels)))
    return terms


def random_problem(seed: int, *, scales: bool = False, structure: str | None = None) -> Problem:
    """Return a random design with an outcome drawn from the model.

    Parameters
    ----------
    seed : int
    scales : bool
        Give the engine predictors in units from 1e-6 to 1e6 and sometimes a collinear column, and draw random effects with
        SDs from 1e-3 to 300 times the residual's.
    structure : str, optional
        One of STRUCTURES; drawn if left out.
    """
    rng = np.random.default_rng(seed)
    for _ in range(100):
        found = _attempt(rng, scales=scales, structure=structure or str(rng.choice(STRUCTURES)))
        if found is not None:
            return found
    raise RuntimeError("no design found")


def _attempt(rng: np.random.Generator, *, scales: bool, structure: str) -> Problem | None:
    n = int(rng.integers(24, 49))
    codes = _codes(rng, structure, n)
    columns = [rng.normal(size=n), (rng.random(n) < 0.5).astype(float)]
    if rng.random() < 0.3 and "h" in codes:
        columns[1] = rng.normal(size=int(codes["h"].max()) + 1)[codes["h"]]
    terms = _terms(rng, codes, columns, ["x", "z"])
    if not terms or np.ptp(columns[1]) == 0:
        return None
    weights = np.round(rng.uniform(0.2, 5, n), 3) if rng.random() < 0.3 else None
    x = np.column_stack([np.ones(n), *columns])
    y = x @ rng.normal(size=3) + rng.normal(size=n) / (1.0 if weights is None else np.sqrt(weights))
    for term in terms:
        effects = rng.normal(size=(term.n_levels, term.q)) @ _theta(rng, term.q, extreme=scales).T
        y += (effects[term.codes] * np.column_stack(term.columns)).sum(axis=1)
    frame = pd.DataFrame({"x": columns[0], "z": columns[1]} | codes)
    fixed, unit, origin, traits = "x + z", 1.0, 0.0, [structure]
    # A slope without its intercept in the same bar depends on the origin of x; then only its unit may change.
    movable = not any("(0 + x" in term.text for term in terms)
    if scales:
        unit = 10.0 ** rng.uniform(-6, 6)
        origin = unit * float(rng.choice([0.0, 3.0, 1e3])) if movable else 0.0
        frame["x"] = frame["x"] * unit + origin
        if rng.random() < 0.25:
            frame["again"] = 2 * frame["x"] - 3 * unit
            fixed += " + again"
            traits.append("collinear")
    frame["y"] = y
    if structure == "implicit":
        terms, frame = _implicit(terms, frame)
    return Problem(y, x, tuple(terms), frame, fixed, weights, unit, origin, tuple(traits))


def _implicit(terms: list[Term], frame: pd.DataFrame) -> tuple[list[Term], pd.DataFrame]:
    """Number the levels of g anew within each h, so that only h:g says which level is meant."""
    frame = frame.assign(g=frame["g"] - frame.groupby("h")["g"].transform("min"))
    pairs = frame.groupby(["h", "g"]).ngroup().to_numpy()
    return [
        Term(
            pairs if t.group == "g" else t.codes,
            t.columns,
            t.text.replace("| g", "| h:g"),
            t.group.replace("g", "h:g"),
            t.names,
        )
        for t in terms
    ], frame
