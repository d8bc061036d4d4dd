"""Small files with the headers of the public data sets and made-up cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from alliance_stats.loaders.trial_sets import BEHAVIOURS, SESSION_COLUMNS, WAI_ANSWERS

SECRET = "Xanthippe-Quibble told me on 1971-02-03"

REFRAMED = f"""patient,month,grp,site,therapist,age_years,female,phq9,hamd,hamd.b,income,pd
90,0,RO-DBT,1,Q9ZZ,48,1,20,19,19,"{SECRET}",1
90,Post-Rx,RO-DBT,1,Q9ZZ,48,1,NaN,NaN,19,"{SECRET}",0
90,1,RO-DBT,1,Q9ZZ,48,1,11.5,NaN,19,"{SECRET}",0
70,0,TAU,2,,31,0,NaN,22,22,NA,1
70,18,TAU,2,,31,0,7,5,22,NA,0
80,0,RO-DBT,1,Q8YY,70,0,3,NaN,15,NA,0
"""

_ANNOMI_HEADER = (
    "transcript_id,mi_quality,video_title,video_url,topic,utterance_id,interlocutor,timestamp,utterance_text,"
    "main_therapist_behaviour,client_talk_type\n"
)


def annomi_csv(rows: Sequence[tuple[int, str, str, str, str]]) -> str:
    """Return the csv of utterances: transcript, quality, interlocutor, behaviour, talk."""
    lines = [
        f'{transcript},{quality},{SECRET},https://example.org,asthma; diet,{number},{who},00:00:{number:02d},"{SECRET}, I said",'
        f"{behaviour},{talk}"
        for number, (transcript, quality, who, behaviour, talk) in enumerate(rows)
    ]
    return _ANNOMI_HEADER + "\n".join(lines) + "\n"


ANNOMI = annomi_csv(
    [
        (4, "high", "therapist", "question", "n/a"),
        (4, "high", "client", "n/a", "change"),
        (4, "high", "therapist", "reflection", "n/a"),
        (4, "high", "client", "n/a", "neutral"),
        (4, "high", "client", "n/a", "change"),
        (2, "low", "therapist", "therapist_input", "n/a"),
        (2, "low", "therapist", "other", "n/a"),
    ]
)


def turn(speaker: str, strategy: str | None = None) -> dict[str, Any]:
    """Return one turn of a conversation as ESConv writes it."""
    annotation = {} if strategy is None else {"strategy": strategy}
    return {"speaker": speaker, "annotation": annotation, "content": SECRET}


def conversation(*turns: dict[str, Any], final: str | None = "2") -> dict[str, Any]:
    """Return one conversation as ESConv writes it."""
    seeker = {"initial_emotion_intensity": "5", "empathy": "4", "relevance": "3"}
    seeker |= {} if final is None else {"final_emotion_intensity": final}
    return {
        "experience_type": "Current Experience",
        "emotion_type": "anxiety",
        "problem_type": "job crisis",
        "situation": SECRET,
        "survey_score": {"seeker": seeker, "supporter": {"relevance": "5"}},
        "dialog": list(turns),
        "seeker_question1": SECRET,
    }


ESCONV = json.dumps(
    [
        conversation(
            turn("supporter", "Question"), turn("seeker"), turn("supporter", "Others"), turn("supporter", "Question")
        ),
        conversation(turn("seeker"), turn("supporter", "Self-disclosure"), final=None),
    ]
)
FAILED = json.dumps(
    [conversation(turn("speaker"), turn("listener", "Direct Guidance"), turn("listener", "Questions"), final="5")]
)

WAI_LABELS = list(WAI_ANSWERS)
SESSIONS = (
    ",".join(SESSION_COLUMNS)
    + "\n"
    + "\n".join(
        ",".join(["1", "bot", "7", "bot_7", str(number), "90", *["1"] * (len(SESSION_COLUMNS) - 6)])
        for number in (1, 2, 3)
    )
    + "\n"
)
BEHAVIOUR_LOGS = (
    "pairing_id,session_id,reasoning,"
    + ",".join(BEHAVIOURS)
    + ",total_mi_adherent,total_mi_non_adherent,percent_mi_adherent,percent_cr,r_q_ratio\n"
    + f'1,1,"{SECRET}, and ""more""\nin two lines",1,2,3,4,5,6,7,8,9,10,24,12,1.0,0.5,0.7\n'
    + f'1,2,"{SECRET}",0,0,0,0,0,0,0,0,0,0,0,0,0.0,0.0,0.0\n'
)
WAI_LOGS = (
    "pairing_id,session_id,"
    + ",".join(f"question{number}" for number in range(1, 37))
    + ",total_wai_task,total_wai_bond,total_wai_goal,composite_wai\n"
    + "1,1,"
    + ",".join([*WAI_LABELS, *["Often"] * 29])
    + ",30,30,30,90\n"
)
FILES = {
    "reframed": {"reframed.csv": REFRAMED},
    "annomi": {"dataset.csv": ANNOMI},
    "esconv": {"ESConv.json": ESCONV, "FailedESConv.json": FAILED},
    "aipsych_eval": {
        "master_session_data_focused.csv": SESSIONS,
        "mi_batch_behavior_eval_logs.csv": BEHAVIOUR_LOGS,
        "survey_wai_logs.csv": WAI_LOGS,
    },
}
"""Name of the data set, name of the file, its text."""
