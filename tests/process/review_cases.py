"""Analyses with a mistake planted, the same ones without it, and what the calls that mend them need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from nested_studies import nested_study
from panel_studies import mediation_study, reciprocal_study

import alliance_stats as al
from alliance_stats.process.review.methods_review import review
from alliance_stats.process.review.mistakes import known_mistakes

KEYS = {mistake.title: key for key, mistake in known_mistakes().items()}


@dataclass(frozen=True)
class Case:
    """A result, and the names that its calls may use."""

    result: Any
    sessions: pd.DataFrame
    names: dict[str, Any] = field(default_factory=dict)

    def row(self, key: str) -> dict[str, str] | None:
        """Return level, evidence and call of a mistake; None if it is not checked. Of several analyses, the first."""
        table = review(self.result).tidy()
        own = table[table["item"].map(KEYS) == key]
        return None if own.empty else {name: str(own.iloc[0][name]) for name in ("level", "evidence", "call")}

    def mended(self, key: str) -> Any:
        """Run the call that mends a mistake; bootstraps are made short."""
        row = self.row(key)
        assert row is not None
        call = row["call"].replace("result.bootstrap(1000, seed=1)", "result.bootstrap(20, seed=1, progress=False)")
        result = self.result[0] if isinstance(self.result, list) else self.result
        return eval(call, {"al": al, "sessions": self.sessions, "result": result, **self.names})


def outcome(frame: pd.DataFrame | None = None, *, drop: bool = False, **options: Any) -> Case:
    """Return alliance and outcome; with ``drop`` the table has no therapists."""
    frame = nested_study() if frame is None else frame
    names = {"therapists": frame[["patient", "therapist"]].drop_duplicates()} if "therapist" in frame else {}
    frame = frame.drop(columns="therapist") if drop else frame
    asked = {"alliance": "wai", "outcome": "distress", "lag": 1, "detrend": None, "random": al.OutcomeModel(slopes=())}
    return Case(al.alliance_outcome(frame, **{**asked, **options}), frame, names)


def levels(frame: pd.DataFrame, predictors: Any = "wai", outcome: str = "distress") -> Case:
    return Case(al.level_effects(frame, outcome, predictors), frame)


def no_therapists(made_by: str) -> Case:
    """Return an analysis by a function, of a table without therapists."""
    whole = nested_study(n_sessions=8)
    frame = whole.drop(columns="therapist")
    asked = {"alliance": "wai", "outcome": "distress", "lag": 1}
    made = {
        "alliance_outcome": lambda: al.alliance_outcome(
            frame, **asked, detrend=None, random=al.OutcomeModel(slopes=())
        ),
        "level_effects": lambda: al.level_effects(frame, "distress", "wai"),
        "lmm": lambda: al.lmm("distress ~ session + (1 | patient)", frame),
        "growth": lambda: al.growth(frame, "distress", form="linear"),
        "early_response": lambda: al.early_response(frame, "distress", until=3),
        "alliance_multiverse": lambda: al.alliance_multiverse(
            frame, question=asked, choices={"detrend": [None, "linear"]}, progress=False
        ),
        "mediation": lambda: al.mediation(
            frame.assign(talk=np.random.default_rng(1).normal(size=len(frame))),
            "talk",
            "wai",
            "distress",
            design="1-1-1",
            lags=(1, 1),
            slopes=(),
        ),
    }
    return Case(made[made_by](), frame, {"therapists": whole[["patient", "therapist"]].drop_duplicates()})


def lengths(*, fast_leave: bool) -> pd.DataFrame:
    """Return courses whose length goes with their slope, or not."""
    rng = np.random.default_rng(4)
    slope = rng.normal(-1.0, 0.5, 80)
    length = (6 + 4 * (slope > -1.0)) if fast_leave else rng.choice([6, 10], 80)
    patient = np.repeat(np.arange(80), length)
    session = np.concatenate([np.arange(1, n + 1) for n in length])
    return pd.DataFrame(
        {
            "patient": patient,
            "session": session,
            "distress": 40 + slope[patient] * session + rng.normal(size=patient.size),
        }
    )


def growth(frame: pd.DataFrame, **options: Any) -> Case:
    asked = {"form": "linear", "time": "week" if "week" in frame else "session"}
    return Case(al.growth(frame, "distress", **{**asked, **options}), frame)


def dated(step: int) -> pd.DataFrame:
    """Return sessions a week apart, or further and further apart."""
    frame = nested_study()
    days = frame["session"] ** step * 7
    return frame.assign(date=pd.Timestamp("2020-01-06") + pd.to_timedelta(days, unit="D"))


def early(spread: float) -> Case:
    """Return early response of courses with much or little noise."""
    rng = np.random.default_rng(6)
    patient, session = np.repeat(np.arange(60), 8), np.tile(np.arange(1, 9), 60)
    slope, start = rng.normal(-1, 0.5, 60), rng.normal(30, 4, 60)
    score = start[patient] + slope[patient] * session + spread * rng.normal(size=patient.size)
    frame = pd.DataFrame({"patient": patient, "session": session, "distress": score})
    return Case(al.early_response(frame, "distress", until=3), frame)


def therapists(n: int, per: int, *, between: float = 1.0, caseload: bool = False) -> Case:
    """Return therapist effects of patients with one rating."""
    rng = np.random.default_rng(5)
    therapist = np.repeat(np.arange(n), per)
    intake = rng.normal(size=therapist.size)
    score = 20 + between * rng.normal(size=n)[therapist] + intake + 2 * rng.normal(size=therapist.size)
    frame = pd.DataFrame(
        {"patient": np.arange(therapist.size), "therapist": therapist, "intake": intake, "distress": score}
    )
    return Case(al.therapist_effects(frame, "distress", caseload=["intake"] if caseload else []), frame)


def steps(seed: int = 2) -> pd.DataFrame:
    """Return courses that fall once, suddenly and for good, and hardly move else; half of the patients never fall."""
    rng = np.random.default_rng(seed)
    table = 30 + rng.normal(scale=0.6, size=(60, 12))
    for unit in range(30):
        table[unit, rng.integers(4, 9) :] -= 14
    patient, session = np.divmod(np.arange(720), 12)
    return pd.DataFrame({"patient": patient, "session": session + 1, "score": table.ravel()})


def gains(frame: pd.DataFrame, **options: Any) -> Case:
    asked = {"cutoff": 5.0, "criterion": "tang_derubeis", "direction": "higher_is_worse"}
    return Case(al.sudden_gains(frame, "score", **{**asked, **options}), frame)


def falls(frame: pd.DataFrame, **options: Any) -> Case:
    return Case(al.ruptures(frame, alliance="score", **{"criterion": "gumz_1sd", "repair": 1.0, **options}), frame)


def around(*, comparable: bool) -> Case:
    """Return gains of patients who began like the others, or of whom half began far above them."""
    frame = steps()
    if not comparable:
        frame = frame.assign(score=frame["score"] + 20 * (frame["patient"] < 15))
    frame = frame.assign(wai=np.random.default_rng(3).normal(size=len(frame)))
    found = gains(frame).result
    return Case(al.around_gains(found, frame, column="wai"), frame, {"gains": found})


def moving(carry: float, *, n_sessions: int = 12, trend: float = 0.0, spread: bool = False) -> Case:
    """Return ratings that carry over, with a trend, or of patients who move more and less."""
    rng = np.random.default_rng(8)
    size = np.exp(rng.normal(scale=1.0, size=(60, 1))) if spread else 1.0
    noises = rng.normal(size=(60, n_sessions)) * size
    for place in range(1, n_sessions):
        noises[:, place] += carry * noises[:, place - 1]
    patient, session = np.divmod(np.arange(60 * n_sessions), n_sessions)
    score = 50 + noises.ravel() + trend * session
    frame = pd.DataFrame({"patient": patient, "session": session + 1, "score": score})
    return Case(al.instability(frame, "score"), frame)


def pair(
    length: int = 200,
    *,
    shared: float = 0.0,
    carry: float = 0.0,
    follow: float = 0.7,
    blur: float = 0.5,
    **options: Any,
) -> Case:
    """Return synchrony of pairs that follow each other, with a trend in common or slow change."""
    rng = np.random.default_rng(9)
    frames = []
    for dyad in range(6):
        lead = rng.normal(size=length + 20)
        for place in range(1, lead.size):
            lead[place] += carry * lead[place - 1]
        time = np.arange(length)
        own = follow * lead[18 : 18 + length] + blur * rng.normal(size=length) + shared * time
        first = lead[20 : 20 + length] + shared * time
        frames.append(pd.DataFrame({"dyad": dyad, "session": time, "one": first, "two": own}))
    frame = pd.concat(frames, ignore_index=True)
    asked = {"window": 20, "lag_max": 4, "surrogates": al.Surrogates(n=199, seed=4)}
    return Case(al.synchrony(frame, ("one", "two"), **{**asked, **options}), frame)


@cache
def panel(kind: str) -> Case:
    """Return lagged effects in both directions: as the models have it, or with one thing wrong."""
    rng = np.random.default_rng(12)
    if kind == "changing":
        frame = _changing(rng)
    elif kind == "slopes":
        frame = reciprocal_study(rng, 300, 6)
        own = np.repeat(rng.normal(size=(300, 2)), 6, axis=0)
        when = (frame["session"].to_numpy() - 1)[:, None] * own
        frame = frame.assign(alliance=frame["alliance"] + 1.5 * when[:, 0], symptom=frame["symptom"] + 4 * when[:, 1])
    elif kind == "many":
        frame = reciprocal_study(rng, 3000, 4)
    elif kind == "few":
        frame = reciprocal_study(rng, 60, 6)
    else:
        frame = reciprocal_study(rng, 250, 6)
    names = {"therapists": pd.DataFrame({"patient": frame["patient"].unique()}).assign(therapist=lambda t: t.index % 9)}
    return Case(al.reciprocal(frame, "alliance", "symptom"), frame, names)


def _changing(rng: np.random.Generator) -> pd.DataFrame:
    """Return sessions whose cross effect changes its sign half-way."""
    n, waves = 600, 5
    state, table = rng.normal(size=(n, 2)), []
    trait = rng.normal(size=(n, 2))
    for wave in range(waves):
        cross = -0.5 if wave < 3 else 0.5
        state = np.column_stack([0.2 * state[:, 0], 0.2 * state[:, 1] + cross * state[:, 0]]) + rng.normal(size=(n, 2))
        table.append(trait + state)
    values = np.stack(table, axis=1).reshape(n * waves, 2)
    patient, session = np.divmod(np.arange(n * waves), waves)
    return pd.DataFrame({"patient": patient, "session": session + 1, "alliance": values[:, 0], "symptom": values[:, 1]})


@cache
def mediated(n_patients: int = 120, design: str = "1-1-1", *, before: bool = False) -> Case:
    """Return a mediation model."""
    frame = mediation_study(np.random.default_rng(3), n_patients)
    roles, lags = ("statements", "alliance", "outcome"), (1, 1)
    if design == "2-1-1":
        arm = {patient: place % 2 for place, patient in enumerate(frame["patient"].unique())}
        frame = frame.assign(arm=frame["patient"].map(arm))
        roles, lags = ("arm", "alliance", "outcome"), (1,)  # type: ignore[assignment]
    held = ("mediator", "outcome") if before else ()
    slopes = ("a", "b") if design == "1-1-1" else ()
    result = al.mediation(frame, *roles, design=design, lags=lags, previous=held, slopes=slopes)
    return Case(result, frame)


@cache
def specifications(*, lags: tuple[int, ...] = (1,), trends: tuple[str | None, ...] = (None, "linear")) -> Case:
    """Return a set of specifications."""
    frame = nested_study(n_sessions=8)
    asked = {"alliance": "wai", "outcome": "distress", "lag": 1}
    choices = {"lag": list(lags), "detrend": list(trends)}
    model = al.OutcomeModel(slopes=())
    return Case(al.alliance_multiverse(frame, question=asked, choices=choices, random=model, progress=False), frame)


def talks(*, initial: str | None = None, alone: bool = False) -> Case:
    """Return associations over single conversations; the table of the calls has three of each person, or one."""
    rng = np.random.default_rng(1)
    patient, session = np.divmod(np.arange(90), 3)
    frame = pd.DataFrame({"patient": patient, "session": session + 1, "share_support": rng.uniform(0.1, 0.8, 90)})
    frame = frame.assign(end=rng.normal(size=90), before=rng.normal(size=90))
    single = frame[frame["session"] == 1]
    result = al.share_associations(single, "share_support", "end", initial=initial)
    return Case(result, single if alone else frame)


def in_time(case: Case, lags: tuple[int, ...]) -> Case:
    """Return the case with other lags in its result."""
    return Case(replace(case.result, lags=lags), case.sessions, case.names)
