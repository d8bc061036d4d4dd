"""Made-up tables whose ids, names, dates and texts are strings found nowhere else."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

import alliance_stats as al

Flavour = Literal["text", "number"]

WORD = "Qzxjkw"
"""Begins every text that must not be shown."""
DIGITS = "73510246"
"""Begins every number that must not be shown."""
YEAR = "1903-11"
"""Begins every date that must not be shown."""
NEEDLES = re.compile(rf"{WORD}|{DIGITS}|7\.351\d*e\+|{YEAR}|1903/11|11/1903|Nov(?:ember)? 1903", re.IGNORECASE)

N_THERAPISTS, PER_THERAPIST, N_SESSIONS = 6, 5, 6
ITEMS = tuple(f"wai_{number}" for number in range(1, 13))
CODES = (
    "approval_reassurance",
    "open_question",
    "closed_question",
    "restatement",
    "reflection_of_feelings",
    "challenge",
)
CODES += ("interpretation", "self_disclosure", "immediacy", "information", "direct_guidance", "other_statement")


STOPPERS = (
    "text among ratings",
    "dates as sessions",
    "ids missing",
    "ids of two kinds",
    "ids as columns",
    "a dictionary",
)
"""Tables that most functions refuse early."""


def leaks(text: str) -> list[str]:
    """Return what a text shows of the cells that must not be shown, with a little of what stands around it."""
    return [text[max(0, hit.start() - 60) : hit.end() + 20].replace("\n", " ") for hit in NEEDLES.finditer(text)]


@dataclass
class Canaries:
    """A session table with secrets, and what is made from it.

    Parameters
    ----------
    flavour : {"text", "number"}
        Whether ids are texts or numbers.
    folder : Path
        For files; holds ward.csv, the same table.
    frame : DataFrame
        One row per patient and session.
    """

    flavour: Flavour
    folder: Path
    frame: pd.DataFrame
    made: dict[str, Any] = field(default_factory=dict)

    def secret(self, kind: str, number: int) -> str | int:
        """Return an id."""
        place = {"patient": 0, "therapist": 100, "site": 200, "dyad": 300, "rater": 400}[kind] + number
        return f"{WORD}-{kind}-{number}" if self.flavour == "text" else int(f"{DIGITS}{place:03d}")

    def fit(self, formula: str = "ors ~ session * arm + (1 | patient) + (1 | therapist)", **options: Any) -> al.LmmFit:
        """Return a fitted model, made once."""
        key = formula + repr(sorted(options))
        if key not in self.made:
            self.made[key] = al.lmm(formula, self.frame, **options)
        return self.made[key]

    def once(self, key: str, make: Any) -> Any:
        """Return what a function makes, made once."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def pairs(self) -> pd.DataFrame:
        """Return one row per patient with a first and a last score."""
        return self.frame.groupby(["patient", "therapist", "site", "dyad", "name"], as_index=False).agg(
            pre=("ors", "first"), post=("ors", "last"), role=("role", "first")
        )

    def wide(self) -> pd.DataFrame:
        """Return one row per patient, sessions side by side."""
        wide = self.frame.pivot_table(index="patient", columns="session", values=["wai_1", "wai_2"])
        wide.columns = [f"{name.replace('_', '')}_t{session}" for name, session in wide.columns]
        return wide.reset_index().assign(name=f"{WORD} Miller")

    def file(self, name: str, text: str) -> Path:
        """Write a file and return its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


def canaries(flavour: Flavour, folder: Path) -> Canaries:
    """Return a table whose therapists, patients and sessions differ, with secrets in every column that could hold one."""
    data = Canaries(flavour, folder, pd.DataFrame())
    rng = np.random.default_rng(7)
    rows = []
    for patient in range(N_THERAPISTS * PER_THERAPIST):
        therapist = patient % N_THERAPISTS
        level, trend = rng.normal(0, 4), rng.normal(1, 0.5)
        for session in range(1, N_SESSIONS + 1):
            felt = 3 + level / 5 + rng.normal(0, 0.7)
            answers = np.clip(np.round(felt + rng.normal(0, 0.6, len(ITEMS))), 1, 5)
            rows.append(
                {
                    "patient": data.secret("patient", patient),
                    "session": session,
                    "therapist": data.secret("therapist", therapist),
                    "site": data.secret("site", therapist % 2),
                    "dyad": data.secret("dyad", patient // 2),
                    "role": ("wife", "husband")[patient % 2],
                    "name": f"{WORD} Miller {patient}",
                    "date": f"{YEAR}-{5 * session - 4:02d}",
                    "note": f"{WORD} said: 'my sister {patient}, born {YEAR}-01, calls daily', and cried.",
                    "phone": f"{DIGITS}{patient:03d}",
                    "arm": ("usual", "new")[patient % 2],
                    "age": 30 + patient,
                    "ors": float(np.round(20 + level + trend * session + therapist + rng.normal(0, 2), 1)),
                    **dict(zip(ITEMS, answers, strict=True)),
                    **{f"n_{code}": int(count) for code, count in zip(CODES, rng.poisson(3, len(CODES)), strict=True)},
                }
            )
    frame = pd.DataFrame(rows)
    frame["wai"] = frame[list(ITEMS)].mean(axis=1)
    data.frame = frame
    frame.to_csv(folder / "ward.csv", index=False)
    return data


def broken(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the frame broken in ways that files and people break frames."""
    text = frame.astype({"ors": object, "wai_1": object, "session": object, "wai": object})
    texts = text.copy()
    texts.loc[3, ["ors", "wai_1", "wai"]] = f"{WORD} does not know"
    sessions = text.copy()
    sessions["session"] = sessions["date"]
    halves = frame.assign(session=frame["session"] + 0.5)
    mixed = frame.astype({"patient": object, "therapist": object})
    mixed["patient"] = [(f"{WORD} tuple", 1), *mixed["patient"].tolist()[1:]]
    mixed.loc[0, "therapist"] = f"{WORD} other"
    return {
        "no rows": frame.iloc[:0],
        "one row": frame.iloc[:1],
        "one patient": frame[frame["patient"] == frame["patient"].iloc[0]],
        "text among ratings": texts,
        "dates as sessions": sessions,
        "half sessions": halves,
        "ids missing": frame.assign(patient=frame["patient"].astype(object).where(frame.index % 3 > 0)),
        "rows twice": pd.concat([frame, frame.iloc[:5]]),
        "ids of two kinds": mixed,
        "nothing varies": frame.assign(ors=1.0, wai=1.0, **dict.fromkeys(ITEMS, 1.0)),
        "out of range": frame.assign(ors=1e6, wai_1=99.0),
        "infinite": frame.assign(ors=np.inf, wai=np.inf, wai_1=np.inf),
        "all missing": frame.assign(ors=np.nan, wai=np.nan, **dict.fromkeys(ITEMS, np.nan)),
        "columns twice": pd.concat([frame, frame[["patient", "ors"]]], axis=1),
        "ids as columns": frame.set_axis([f"{name}_" for name in frame.columns], axis=1),
        "ids as index": frame.set_index(["patient", "name"]),
        "a dictionary": frame.head(3).to_dict("list"),
        "a list": frame.head(3).to_numpy().tolist(),
        "a text": f"{WORD}",
        "nothing": None,
    }


def broken_files(folder: Path, frame: pd.DataFrame) -> list[Path]:
    """Return files with secrets that cannot be read, or not as they should."""
    text = frame.to_csv(index=False)
    lines = text.splitlines(keepends=True)
    contents: dict[str, str | bytes] = {
        "no_header.csv": "".join(lines[1:]),
        "long_row.csv": text + f"{lines[1].strip()},{WORD},{WORD}\n",
        "short_row.csv": text + f"{WORD},1\n",
        "quotation.csv": text + f'"{WORD},1,2\n',
        "binary.csv": text.encode() + b"\0" + WORD.encode(),
        "undecodable.csv": text.encode() + b"\x81\xff," + WORD.encode(),
        "empty.csv": "",
        "twice.csv": f"patient,session,note,note\n1,1,{WORD},{WORD}\n",
        "broken.xlsx": b"PK\x03\x04" + WORD.encode() * 30,
        "broken.sav": b"$FL2" + WORD.encode() * 30,
        "broken.dta": b"<stata_dta>" + WORD.encode() * 30,
        "broken.parquet": b"PAR1" + WORD.encode() * 30,
        "broken.ods": WORD.encode() * 30,
        "broken.sas7bdat": WORD.encode() * 300,
        "broken.por": WORD.encode() * 300,
        "broken.docx": WORD.encode(),
        "broken.toml": f'title = "{WORD}\n[[',
        "list.toml": f'title = ["{WORD}"]\n{WORD} = 1\n',
        "broken.json": f'{{"{WORD}": ',
    }
    paths = []
    for name, content in contents.items():
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        paths.append(path)
    return [*paths, folder / "absent.csv", folder]


def write_redcap(data: Canaries) -> tuple[Path, Path]:
    """Return an export of REDCap and its data dictionary."""
    head = ["Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label"]
    head += [
        "Choices, Calculations, OR Slider Labels",
        "Field Note",
        "Identifier?",
        "Branching Logic (Show field only if...)",
    ]
    fields = [
        ["record_id", "intake", "", "text", "Record", "", "", "", ""],
        ["family_name", "intake", "", "text", "Name", "", "", "y", ""],
        ["th", "session", "", "text", "Therapist", "", "", "", ""],
        ["wai1", "session", "", "radio", "Goals", "1, seldom | 5, always", "", "", ""],
        ["remark", "session", "", "notes", "Remark", "", "", "", "[wai1] = '1'"],
    ]
    columns = ["record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "family_name", "th", "wai1", "remark"]
    ids = [data.secret("patient", number) for number in range(3)]
    rows = [[one, "", "", f"{WORD} Miller", "", "", ""] for one in ids]
    rows += [[one, "session", k, "", data.secret("therapist", 1), k, f"{WORD} cried"] for one in ids for k in (1, 2)]
    pd.DataFrame(fields, columns=head).to_csv(data.folder / "dictionary.csv", index=False)
    pd.DataFrame(rows, columns=columns).sort_values("record_id").to_csv(data.folder / "redcap.csv", index=False)
    return data.folder / "redcap.csv", data.folder / "dictionary.csv"


def write_qualtrics(data: Canaries) -> Path:
    """Return an export of Qualtrics with three header rows."""
    ids = [data.secret("patient", number) for number in (0, 0, 1)]
    cells = {
        "StartDate": [f"{YEAR}-0{day} 10:00:00" for day in (2, 1, 5)],
        "Status": [0, 0, 0],
        "Finished": [1, 1, 1],
        "RecipientEmail": [f"{WORD}@example.org"] * 3,
        "pid": ids,
        "Q1": [4, 3, 5],
        "Q2": [f"{WORD} wrote this at length, about home and work"] * 3,
    }
    path = data.folder / "qualtrics.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(cells)
        writer.writerow([f"Label of {name}" for name in cells])
        writer.writerow([f'{{"ImportId":"{name}"}}' for name in cells])
        writer.writerows(zip(*cells.values(), strict=True))
    return path
