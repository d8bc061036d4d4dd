"""Totals computed with known errors in the key, written out by hand so that nothing of the package is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.scales.instrument import load_instrument
from alliance_stats.scales.instrument_parts import Instrument

FORMS = (
    ("wai_36", "sum"),
    ("wai_36", "bond"),
    ("core_om", "mean"),
    ("haq_ii", "sum"),
    ("core_10", "sum"),
    ("phq_9", "sum"),
)


@dataclass
class Plan:
    """What goes wrong. Items are printed numbers; ``added`` holds the sign with which an item is counted."""

    lost: set[int] = field(default_factory=set)
    gained: set[int] = field(default_factory=set)
    out: set[int] = field(default_factory=set)
    added: set[tuple[int, int]] = field(default_factory=set)
    other: set[str] = field(default_factory=set)

    def touched(self) -> set[int]:
        return self.lost | self.gained | self.out | {item for item, _ in self.added}


def answers(instrument: Instrument, rng: np.random.Generator, n_rows: int, *, incomplete: float) -> pd.DataFrame:
    """Answers that go with one trait per row, skewed towards its good end, some rows lacking one or two answers."""
    n_items = instrument.n_items or 0
    low, high = instrument.minimum[0], instrument.maximum[0]
    reverse = next(iter(instrument.storages.values())).reversed_items
    trait = rng.normal(0.5, 1, size=(n_rows, 1))
    level = trait + rng.normal(0, 1, size=(n_rows, n_items)) + rng.normal(0, 0.5, size=n_items)
    share = 1 / (1 + np.exp(-level))
    values = np.rint(low + (high - low) * share)
    for item in reverse:
        values[:, item - 1] = low + high - values[:, item - 1]
    for row in np.flatnonzero(rng.random(n_rows) < incomplete):
        values[row, rng.choice(n_items, size=rng.integers(1, 3), replace=False)] = np.nan
    return pd.DataFrame(values, columns=[f"i{item}" for item in range(1, n_items + 1)])


def plan_errors(instrument: Instrument, score: str, rng: np.random.Generator, n_errors: int) -> Plan:
    """Choose that many errors, none touching an item of another, at most one of each kind that has no item."""
    plan = Plan()
    kinds = ["reversal", "exchange", "out", "added", "replaced", "scale", "coding", "constant", "missing"]
    done = 0
    while done < n_errors:
        done += _plant(plan, str(rng.choice(kinds)), instrument, score, rng)
    return plan


def _plant(plan: Plan, kind: str, instrument: Instrument, score: str, rng: np.random.Generator) -> bool:
    """Add one error to the plan; tell whether the score has room for it."""
    inside = set(instrument.scores[score].items)
    turned = inside & next(iter(instrument.storages.values())).reversed_items
    free = inside - plan.touched()
    outside = set(range(1, (instrument.n_items or 0) + 1)) - inside - plan.touched()

    def pick(items: set[int]) -> int:
        return int(rng.choice(sorted(items)))

    constants = {"lower", "higher", "from low", "one more"}
    if kind == "reversal":
        item = pick(free)
        (plan.lost if item in turned else plan.gained).add(item)
    elif kind == "exchange" and free & turned and free - turned:
        plan.lost.add(pick(free & turned))
        plan.gained.add(pick(free - turned))
    elif kind == "out" and len(inside) > 5:
        plan.out.add(pick(free))
    elif kind == "added" and outside:
        plan.added.add((pick(outside), int(rng.choice([1, -1]))))
    elif kind == "replaced" and outside:
        plan.out.add(pick(free))
        plan.added.add((pick(outside), int(rng.choice([1, -1]))))
    elif kind == "scale" and "scale" not in plan.other:
        plan.other.add("scale")
    elif kind == "coding" and not plan.other & constants:
        plan.other.add(str(rng.choice(["lower", "higher"])))
    elif kind == "constant" and not plan.other & constants and len(turned - plan.lost) > 2:
        plan.other.add("one more")
    elif kind == "missing" and "missing" not in plan.other:
        plan.other.add("missing")
    else:
        return False
    return True


def wrong_totals(frame: pd.DataFrame, instrument: Instrument, score: str, plan: Plan) -> np.ndarray:
    """Compute totals by the key with the errors of the plan."""
    entry = instrument.scores[score]
    reverse = next(iter(instrument.storages.values())).reversed_items
    low, high = instrument.minimum[0], instrument.maximum[0]
    move = -1 if "lower" in plan.other else 1 if "higher" in plan.other else 0
    turn = low + high + 2 * move + (1 if "one more" in plan.other else 0)
    counted = {item: item in reverse for item in entry.items if item not in plan.out}
    counted |= dict.fromkeys(plan.gained, True) | dict.fromkeys(plan.lost, False)
    counted |= {item: sign < 0 for item, sign in plan.added}
    columns = []
    for item, turned in counted.items():
        raw = frame[f"i{item}"].to_numpy() + move
        columns.append(turn - raw if turned else raw)
    keyed = np.column_stack(columns)
    n_missing = np.isnan(keyed).sum(axis=1)
    as_mean = (entry.rule == "mean") != ("scale" in plan.other)
    if "missing" in plan.other:
        total = np.nansum(keyed, axis=1)
    else:
        total = np.nanmean(keyed, axis=1) * keyed.shape[1]
        total = np.where(n_missing <= entry.missing.max_missing, total, np.nan)
    return total * entry.factor / (keyed.shape[1] if as_mean else 1)


def planted_case(seed: int, *, n_rows: int = 200, typing_errors: float = 0.03) -> tuple[pd.DataFrame, str, str, Plan]:
    """Return a frame with items i1, i2, ... and ``total``, the instrument, the score and what was planted."""
    rng = np.random.default_rng([77, seed])
    key, score = FORMS[seed % len(FORMS)]
    instrument = load_instrument(key)
    plan = plan_errors(instrument, score, rng, int(rng.integers(1, 4)))
    frame = answers(instrument, rng, n_rows, incomplete=0.1 if "missing" in plan.other else 0.03)
    total = wrong_totals(frame, instrument, score, plan)
    typed = rng.random(n_rows) < typing_errors
    total[typed] += rng.integers(1, 10, size=int(typed.sum()))
    return frame.assign(total=np.round(total, 4)), key, score, plan


def found_plans(errors: pd.DataFrame) -> list[Plan]:
    """Read each explanation of an audit back into a plan, so that the pairing of items does not matter."""
    plans = []
    for _, rows in errors.groupby("model", sort=False):
        plan = Plan()
        for text, slip in rows.groupby("error", sort=False):
            _read(plan, str(slip["kind"].iloc[0]), [int(item) for item in slip["item"].dropna()], str(text))
        plans.append(plan)
    return plans


def _read(plan: Plan, kind: str, items: list[int], text: str) -> None:
    """Add one reported error to a plan."""
    sign = -1 if "(reversed)" in text else 1
    without_items = {
        "sum_or_mean": "scale",
        "shifted_coding": "lower" if "lower" in text else "higher",
        "reversal_constant": "one more",
        "missing_answers": "missing",
    }
    simple: dict[str, Callable[[], None]] = {
        "reversal_moved": lambda: (plan.lost.add(items[0]), plan.gained.add(items[1]))[0],
        "reversal_left_out": lambda: plan.lost.add(items[0]),
        "reversal_added": lambda: plan.gained.add(items[0]),
        "item_replaced": lambda: (plan.out.add(items[0]), plan.added.add((items[1], sign)))[0],
        "item_left_out": lambda: plan.out.add(items[0]),
        "item_added": lambda: plan.added.add((items[0], sign)),
    }
    if kind in simple:
        simple[kind]()
    else:
        plan.other.add(without_items.get(kind, text))
