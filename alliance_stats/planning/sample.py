"""Build the bundled sample ``therapist_statements``: a table of sessions and the card that tells its truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pandas as pd

from alliance_stats.planning.simulate import SimulatedStudy, simulate_study
from alliance_stats.planning.truth import implied_values

NAME = "therapist_statements"
SEED = 2024
GENERATOR_VERSION = 1
"""Raised whenever the same seed gives another study."""

_CALL = f"simulate_study(n_therapists=60, n_patients=600, sessions=(2, 20), seed={SEED})"
_DESCRIPTION = (
    "Sessions of patients nested in therapists, with the number of coded therapist statements per Helping-Skills style "
    "code, the WAI-SR that the patient fills in after the session, and the ORS that the patient fills in before it. "
    "The effects are those in [truth]; effects of statements are chosen values, since the review they follow in spirit "
    "(Kadur et al., 2020, doi:10.1002/cpp.2416) prints directions but no sizes. No statement about people follows."
)
_SOURCE = (
    "Simulated with alliance_stats.planning.simulate_study. Sizes in the range of Flückiger et al. (2018, "
    "doi:10.1037/pst0000172), the Kenya RI-CLPM study (PMC7776120), Wampold & Brown (2005, "
    "doi:10.1037/0022-006X.73.5.914) and Schiefele et al. (2017, doi:10.1007/s10488-016-0736-3); see StudyTruth."
)

Value = str | int | float | list[str] | list[float] | list[int]


def write_sample(folder: str | Path) -> tuple[Path, Path]:
    """Write the bundled sample and its card.

    The same version of the library writes the same bytes every time, so this rebuilds ``data/sample`` after a change of
    the generator (raise `GENERATOR_VERSION` then).

    Parameters
    ----------
    folder : str or Path
        Existing folder; files of the same names are replaced.

    Returns
    -------
    tuple of Path
        The table (CSV) and the card (TOML).

    See Also
    --------
    simulate_study : draw your own study.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from alliance_stats.planning.sample import write_sample
    >>> with TemporaryDirectory() as folder:
    ...     table, card = write_sample(folder)
    ...     table.name, card.name
    ('therapist_statements.csv', 'therapist_statements.toml')
    """
    study = simulate_study(n_therapists=60, n_patients=600, sessions=(2, 20), seed=SEED)
    content = _csv(study.frame).encode()
    table, card = Path(folder) / f"{NAME}.csv", Path(folder) / f"{NAME}.toml"
    table.write_bytes(content)
    card.write_bytes(_card(study, sha256(content).hexdigest()).encode())
    return table, card


def _csv(frame: pd.DataFrame) -> str:
    """Return the table as CSV with fixed decimals: whole WAI-SR answers, one decimal for the ORS."""
    whole = [name for name in frame.columns if name.startswith("wai_")]
    text: str = frame.astype(dict.fromkeys(whole, "Int64")).to_csv(
        index=False, float_format="%.1f", lineterminator="\n"
    )
    return text


def _card(study: SimulatedStudy, checksum: str) -> str:
    """Return the card as TOML."""
    head: dict[str, Value] = {
        "name": NAME,
        "title": "Therapist statements, alliance and outcome: a simulated study",
        "description": _DESCRIPTION,
        "simulated": True,
        "source": _SOURCE,
        "licence": "CC0-1.0",
        "sha256": checksum,
        "rows": len(study.frame),
        "notes": list(study.notes),
    }
    generator: dict[str, Value] = {"call": _CALL, "seed": SEED, "version": GENERATOR_VERSION}
    lines = [
        "# Written by alliance_stats.planning.sample.write_sample(). Do not edit: change that, and write again.",
        *_entries(head),
        *_table("generator", generator),
    ]
    for column in study.frame.columns:
        lines += _table(f"columns.{column}", _column(column))
    truth = asdict(study.truth)
    lines += _table("truth", {key: _value(value) for key, value in truth.items() if not isinstance(value, Mapping)})
    for key, value in truth.items():
        if isinstance(value, Mapping):
            lines += _table(f"truth.{key}", dict(value))
    implied = {key: round(value, 4) for key, value in implied_values(study.truth).items()}
    return "\n".join([*lines, *_table("implied", {**implied}), ""])


def _column(name: str) -> dict[str, Value]:
    """Return description, unit and range of a column."""
    kind, _, rest = name.partition("_")
    fixed: dict[str, dict[str, Value]] = {
        "patient": {"description": "who is treated", "range": [1, 600]},
        "therapist": {"description": "who treats; every patient has one therapist", "range": [1, 60]},
        "session": {"description": "order of the session within the patient", "range": [1, 20]},
        "dropout": {
            "description": "1 in the last session of a treatment that ended before its planned end, else 0",
            "range": [0, 1],
        },
    }
    if name in fixed:
        return fixed[name]
    if kind == "n":
        return {"description": f"therapist statements coded {rest} in the session", "unit": "statements"}
    if kind == "wai":
        return {
            "description": f"item {rest} of the WAI-SR, answered by the patient after the session",
            "unit": "points",
            "range": [1, 5],
        }
    return {
        "description": f"item {rest} of the ORS, marked by the patient before the session; higher is better",
        "unit": "points",
        "range": [0, 10],
    }


def _value(value: object) -> Value:
    """Return a parameter as something TOML can hold."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, str | int | float):
        return value
    raise TypeError(f"A parameter of type {type(value).__name__} has no place on the card.")


def _table(name: str, content: Mapping[str, Value]) -> list[str]:
    """Return the lines of a TOML table."""
    return ["", f"[{name}]", *_entries(content)]


def _entries(content: Mapping[str, Value]) -> list[str]:
    """Return the lines of TOML entries; JSON writes these kinds of values as TOML does."""
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in content.items()]
