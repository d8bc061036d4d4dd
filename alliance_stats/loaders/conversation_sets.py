"""Conversations of public data sets as one row each: counts, strategies and ratings, none of their text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError

Entry = Mapping[str, Any]

# Names in ESConv.json and in the README of its repository, which differ for two of them.
_RATED_STRATEGIES: Mapping[str, tuple[str, ...]] = {
    "n_affirmation_and_reassurance": ("Affirmation and Reassurance",),
    "n_information": ("Information",),
    "n_others": ("Others", "Other"),
    "n_providing_suggestions": ("Providing Suggestions",),
    "n_question": ("Question", "Questions"),
    "n_reflection_of_feelings": ("Reflection of feelings",),
    "n_restatement_or_paraphrasing": ("Restatement or Paraphrasing",),
    "n_self_disclosure": ("Self-disclosure",),
}
# FailedESConv.json mixes two lists of names; the column map says which are the same strategy.
_FAILED_STRATEGIES: tuple[str, ...] = (
    "Other",
    "Questions",
    "Affirmation and Reassurance",
    "Reflection of feelings",
    "Providing Suggestions",
    "Information",
    "Self-disclosure",
    "Restatement or Paraphrasing",
    "Question",
    "Approval and Reassurance",
    "Direct Guidance",
    "Restatement",
)
_HELPERS = ("supporter", "listener")
_SEEKERS = ("seeker", "speaker")
_BEHAVIOURS = ("reflection", "question", "therapist_input", "other")
_TALK = ("change", "neutral", "sustain")
_HINT = "save the file again from its address; this may be another version of the data."


@dataclass(frozen=True)
class _Turns:
    """How many turns a conversation has, and the strategies of the helper's turns."""

    n: int
    n_helper: int
    strategies: Counter[str]


def support_conversations(entries: Sequence[Entry]) -> pd.DataFrame:
    """Return the rated conversations of ESConv.

    Parameters
    ----------
    entries : sequence of mapping
        The content of ESConv.json.

    Returns
    -------
    DataFrame
        One row per conversation, in the order of the file: conversation_id (1, 2, ...), what it was about, ratings (as
        published, NaN where there is none), change (initial minus final intensity), turns of the helper by strategy,
        n_supporter, n_turns.

    Raises
    ------
    DataError
        If an entry is no conversation, or a strategy is unknown.
    """
    turns = [_turns(entry, number) for number, entry in enumerate(entries, 1)]
    known = [name for names in _RATED_STRATEGIES.values() for name in names]
    _require_known(turns, known)
    frame = pd.DataFrame({"conversation_id": np.arange(1, len(turns) + 1)})
    for name in ("experience_type", "emotion_type", "problem_type"):
        frame[name] = [_label(entry, name) for entry in entries]
    frame["initial_intensity"] = _ratings(entries, "seeker", "initial_emotion_intensity")
    frame["final_intensity"] = _ratings(entries, "seeker", "final_emotion_intensity")
    frame["empathy"] = _ratings(entries, "seeker", "empathy")
    frame["relevance"] = _ratings(entries, "seeker", "relevance")
    frame["supporter_relevance"] = _ratings(entries, "supporter", "relevance")
    frame["change"] = frame["initial_intensity"] - frame["final_intensity"]
    for column, names in _RATED_STRATEGIES.items():
        frame[column] = [sum(one.strategies[name] for name in names) for one in turns]
    return frame.assign(n_supporter=[one.n_helper for one in turns], n_turns=[one.n for one in turns])


def failed_conversations(entries: Sequence[Entry]) -> pd.DataFrame:
    """Return the conversations that the authors of ESConv count as failed.

    Parameters
    ----------
    entries : sequence of mapping
        The content of FailedESConv.json.

    Returns
    -------
    DataFrame
        One row per conversation: i (0, 1, ...), ratings, n_turns, turns of the helper by strategy, n_supporter.

    Raises
    ------
    DataError
        If an entry is no conversation, or a strategy is unknown.
    """
    turns = [_turns(entry, number) for number, entry in enumerate(entries, 1)]
    _require_known(turns, _FAILED_STRATEGIES)
    frame = pd.DataFrame({"i": np.arange(len(turns))})
    for name in ("initial_emotion_intensity", "final_emotion_intensity", "empathy", "relevance"):
        frame[name] = _ratings(entries, "seeker", name)
    frame["n_turns"] = [one.n for one in turns]
    for name in _FAILED_STRATEGIES:
        frame[name] = [one.strategies[name] for one in turns]
    return frame.assign(n_supporter=[one.n_helper for one in turns])


def interview_demonstrations(utterances: pd.DataFrame) -> pd.DataFrame:
    """Return the demonstrations of motivational interviewing of AnnoMI.

    Parameters
    ----------
    utterances : DataFrame
        One row per utterance: transcript_id, mi_quality, topic, utterance_id, interlocutor, main_therapist_behaviour,
        client_talk_type.

    Returns
    -------
    DataFrame
        One row per conversation: conversation_id, mi_quality ("high" or "low"), topic, the therapist's utterances by main
        behaviour, n_therapist, the client's by kind of talk, n_client, n_turns, and change_talk_share, change talk among the
        client's utterances (0 to 1).

    Raises
    ------
    DataError
        If an utterance has two rows, or no known label.
    """
    keys = ["transcript_id", "utterance_id"]
    again = int(utterances.duplicated(keys).sum())
    if again:
        raise DataError.build(
            f"{again} rows repeat an utterance: the full version has a row for each annotator.",
            hint="use the version with one row per utterance.",
        )
    by_therapist = (utterances["interlocutor"] == "therapist").to_numpy()
    by_client = (utterances["interlocutor"] == "client").to_numpy()
    behaviour = utterances["main_therapist_behaviour"].where(by_therapist)
    talk = utterances["client_talk_type"].where(by_client)
    unknown = ~(behaviour.isin(_BEHAVIOURS) | talk.isin(_TALK)).to_numpy()
    if unknown.any():
        raise DataError.build(f"{int(unknown.sum())} of {len(unknown)} utterances have no known label.", hint=_HINT)
    counts = {f"n_{name}": (behaviour == name) for name in _BEHAVIOURS}
    counts |= {"n_therapist": pd.Series(by_therapist, index=utterances.index)}
    counts |= {f"n_{name}": (talk == name) for name in _TALK}
    counts |= {"n_client": pd.Series(by_client, index=utterances.index)}
    groups = utterances["transcript_id"]
    first = utterances.groupby("transcript_id", sort=False)[["mi_quality", "topic"]].first()
    totals = pd.DataFrame(counts).groupby(groups, sort=False).sum()
    frame = first.join(totals).assign(n_turns=groups.value_counts(sort=False))
    share = frame["n_change"] / frame["n_client"].where(frame["n_client"] > 0)
    return frame.assign(change_talk_share=share).rename_axis("conversation_id").reset_index()


def _turns(entry: Entry, number: int) -> _Turns:
    """Return the turns of one conversation."""
    dialog = entry.get("dialog")
    turns = dialog if isinstance(dialog, list) else []
    if not turns or not all(isinstance(turn, dict) for turn in turns):
        raise DataError.build(f"Conversation {number} of the file has no turns.", hint=_HINT)
    speakers = [turn.get("speaker") for turn in turns]
    strange = sum(speaker not in (*_HELPERS, *_SEEKERS) for speaker in speakers)
    if strange:
        raise DataError.build(f"Conversation {number} has {strange} turns of an unknown speaker.", hint=_HINT)
    helper = [turn for turn, speaker in zip(turns, speakers, strict=True) if speaker in _HELPERS]
    marks = [turn.get("annotation") for turn in helper]
    named = [mark.get("strategy") if isinstance(mark, dict) else None for mark in marks]
    return _Turns(len(turns), len(helper), Counter(str(name).strip() for name in named if name is not None))


def _require_known(turns: Sequence[_Turns], known: Sequence[str]) -> None:
    """Raise a DataError if a strategy has a name that is not known."""
    strange = sum(count for one in turns for name, count in one.strategies.items() if name not in known)
    if strange:
        raise DataError.build(f"{strange} turns have a strategy that is not among the {len(known)} known.", hint=_HINT)


def _label(entry: Entry, name: str) -> str | None:
    """Return a label of a conversation, None if there is none."""
    value = entry.get(name)
    return value.strip() if isinstance(value, str) and value.strip() else None


def _ratings(entries: Sequence[Entry], person: str, name: str) -> np.ndarray:
    """Return a rating of each conversation, NaN where there is none, shape (n_conversations,)."""
    surveys = [entry.get("survey_score") for entry in entries]
    persons = [survey.get(person) if isinstance(survey, dict) else None for survey in surveys]
    cells = [own.get(name) if isinstance(own, dict) else None for own in persons]
    texts = pd.Series([None if cell in (None, "") else str(cell) for cell in cells], dtype=object)
    values = pd.to_numeric(texts, errors="coerce")
    wrong = int((values.isna() & texts.notna()).sum())
    if wrong:
        raise DataError.build(f"'{name}' should be a rating; {wrong} of {len(cells)} are no numbers.", hint=_HINT)
    return values.to_numpy(dtype=float)
