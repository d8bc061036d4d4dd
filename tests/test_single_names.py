"""One column named by a text stands for a list of one, wherever a list of columns is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al

SESSIONS = pd.DataFrame(
    {
        "patient": np.repeat(np.arange(12), 4),
        "session": np.tile(np.arange(1, 5), 12),
        "age": np.repeat(np.arange(30, 42), 4) * 1.0,
        "wai": np.random.default_rng(3).normal(4, 1, 48).round(1),
        "code": np.tile(["open_question", "challenge"], 24),
    }
)
CONVERSATIONS = pd.DataFrame(np.random.default_rng(5).uniform(size=(30, 3)), columns=["share", "outcome", "initial"])
Call = Callable[[str | list[str]], Any]

CALLS: dict[str, tuple[Call, str]] = {
    "check_sessions(ratings=)": (lambda names: al.check_sessions(SESSIONS, ratings=names).tidy(), "wai"),
    "to_wide(columns)": (lambda names: al.to_wide(SESSIONS, names), "wai"),
    "pseudonymise(ids=)": (lambda names: al.pseudonymise(SESSIONS, key="k" * 40, study="s", ids=names), "code"),
    "pseudonymise(ages=)": (lambda names: al.pseudonymise(SESSIONS, key="k" * 40, study="s", ages=names), "age"),
    "k_anonymity(columns)": (lambda names: al.k_anonymity(SESSIONS, names).tidy(), "age"),
    "share_associations(covariates=)": (
        lambda names: al.share_associations(CONVERSATIONS, "share", outcome="outcome", covariates=names).tidy(),
        "initial",
    ),
    "statement_shares(by=)": (
        lambda names: al.statement_shares(SESSIONS, "helping_skills", code="code", by=names),
        "patient",
    ),
    "generalizability(facets=)": (
        lambda names: al.generalizability(SESSIONS, ["wai"], objects="patient", facets=names).tidy(),
        "session",
    ),
    "therapist_effects(caseload=)": (
        lambda names: al.therapist_effects(
            SESSIONS.assign(therapist=SESSIONS["patient"] // 3), "wai", caseload=names
        ).tidy(),
        "age",
    ),
}


@pytest.mark.parametrize("name", list(CALLS))
def test_one_name_is_a_list_of_one(name: str) -> None:
    call, column = CALLS[name]
    pd.testing.assert_frame_equal(call(column), call([column]))
