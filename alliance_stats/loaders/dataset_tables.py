"""From the files of a public data set, as published, to tables in the layout of its column map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.loaders.conversation_sets import (
    failed_conversations,
    interview_demonstrations,
    support_conversations,
)
from alliance_stats.loaders.trial_sets import (
    BEHAVIOUR_COLUMNS,
    COUPLE_COLUMNS,
    SESSION_COLUMNS,
    SESSION_KEYS,
    TRIAL_COLUMNS,
    WAI_QUESTIONS,
    WAI_TOTALS,
    couples,
    depression_trial,
    simulated_alliance,
    simulated_sessions,
)
from alliance_stats.loaders.upstream_files import read_columns, read_json_list, read_r_table

_UTTERANCE_COLUMNS = (
    *("transcript_id", "mi_quality", "topic", "utterance_id"),
    *("interlocutor", "main_therapist_behaviour", "client_talk_type"),
)


@dataclass(frozen=True)
class Tables:
    """The tables of a data set.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        By the file names of the column map.
    notes : tuple of str
        What was changed, a sentence each.
    """

    frames: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()


def _esconv(files: Mapping[str, Path]) -> Tables:
    """Return the rated and the failed conversations of ESConv."""
    return Tables(
        {
            "esconv_conversations.csv": support_conversations(read_json_list(files["ESConv.json"])),
            "failed_esconv_conversations.csv": failed_conversations(read_json_list(files["FailedESConv.json"])),
        },
        ("Changed: the text of the conversations was left out; turns are counted by strategy.",),
    )


def _annomi(files: Mapping[str, Path]) -> Tables:
    """Return the conversations of AnnoMI."""
    utterances = read_columns(files["dataset.csv"], _UTTERANCE_COLUMNS, ids=["transcript_id"])
    return Tables(
        {"annomi_conversations.csv": interview_demonstrations(utterances)},
        ("Changed: text, titles and addresses of the videos were left out; utterances are counted by label.",),
    )


def _reframed(files: Mapping[str, Path]) -> Tables:
    """Return the rows of the REFRAMED trial."""
    rows = read_columns(files["reframed.csv"], TRIAL_COLUMNS, ids=["patient", "therapist", "site"])
    frame, notes = depression_trial(rows)
    return Tables({"reframed_tidy.csv": frame}, notes)


def _acitelli(files: Mapping[str, Path]) -> Tables:
    """Return the partners of the Acitelli couples."""
    rows = read_r_table(files["acipair.Rda"], "acipair")
    require_columns(rows, COUPLE_COLUMNS, hint="save acipair.Rda again from its address.")
    return Tables({"acitelli_tidy.csv": couples(rows)}, ("Changed: columns were renamed, centred copies left out.",))


def _aipsych_eval(files: Mapping[str, Path]) -> Tables:
    """Return sessions and alliance ratings of the simulated counselling study."""
    sessions = read_columns(files["master_session_data_focused.csv"], SESSION_COLUMNS)
    behaviours = read_columns(files["mi_batch_behavior_eval_logs.csv"], BEHAVIOUR_COLUMNS)
    answers = read_columns(files["survey_wai_logs.csv"], (*SESSION_KEYS, *WAI_QUESTIONS, *WAI_TOTALS))
    return Tables(
        {
            "sessions_tidy.csv": simulated_sessions(sessions, behaviours),
            "wai_items_tidy.csv": simulated_alliance(answers),
        },
        ("Changed: answers were turned from labels into 1 to 7, sessions joined to the coded statements.",),
    )


TABLES_OF: Mapping[str, Callable[[Mapping[str, Path]], Tables]] = {
    "acitelli": _acitelli,
    "aipsych_eval": _aipsych_eval,
    "annomi": _annomi,
    "esconv": _esconv,
    "reframed": _reframed,
}
"""By the name of the column map, the function that turns its files into tables."""
