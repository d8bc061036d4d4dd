"""Text files that are damaged: csv, labels beside a csv, REDCap and Qualtrics exports."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.loaders.malformed import CANARY, Case

LABELS = {"form": "alliance-stats labels 1", "labels": {}, "reasons": "", "types": {}, "escaped": []}
TABLE = f"patient,session,wai\n{CANARY},1,2\n{CANARY},2,3\n"


Text = str | bytes | Callable[[], str]


def csv(name: str, content: Text, outcome: str = "", *, read: str = "table") -> Case:
    """Return a text file with this content."""
    return Case(f".csv {name}", lambda path: _bytes(content), read, outcome)


def _bytes(content: Text) -> bytes:
    """Return content as bytes; long ones are made when they are needed."""
    plain = content() if callable(content) else content
    return plain.encode("utf-8") if isinstance(plain, str) else plain


def beside(name: str, labels: str | bytes | dict[str, object], outcome: str = "error") -> Case:
    """Return a sound csv file with these labels beside it."""
    plain = json.dumps({**LABELS, **labels}) if isinstance(labels, dict) else labels
    data = plain.encode("utf-8") if isinstance(plain, str) else plain

    def write(path: Path) -> bytes:
        path.with_name("a.labels.json").write_bytes(data)
        return TABLE.encode("utf-8")

    return Case(f".csv with labels: {name}", write, "table", outcome)


HEADER = (
    '"Variable / Field Name","Form Name","Field Type","Field Label","Choices, Calculations, OR Slider Labels",'
    '"Identifier?","Branching Logic (Show field only if...)"\n'
)
DICTIONARY = (
    HEADER + 'id,intake,text,Id,,,\nors,visit,text,Score,,,"[id] > 1"\nmood,visit,radio,Mood,"1, low | 2, high",,\n'
)
EXPORT = (
    "id,redcap_repeat_instrument,redcap_repeat_instance,ors,mood\n"
    f"{CANARY},,,,\n{CANARY},visit,1,20,1\n{CANARY},visit,2,24,2\n"
)


def redcap(name: str, export: str | bytes, dictionary: str | bytes = DICTIONARY, outcome: str = "error") -> Case:
    """Return a REDCap export with its dictionary."""
    data = export.encode("utf-8") if isinstance(export, str) else export
    book = dictionary.encode("utf-8") if isinstance(dictionary, str) else dictionary

    def write(path: Path) -> bytes:
        path.with_name("dictionary.csv").write_bytes(book)
        return data

    return Case(f".csv of REDCap: {name}", write, "redcap", outcome)


def qualtrics(name: str, content: Text, outcome: str = "error") -> Case:
    """Return a Qualtrics export."""
    return Case(f".csv of Qualtrics: {name}", lambda path: _bytes(content), "qualtrics", outcome)


def packed(content: bytes) -> str:
    """Return bytes as reasons of missing answers are kept."""
    return base64.b64encode(zlib.compress(content)).decode("ascii")


IDS = '"{""ImportId"":""pid""}","{""ImportId"":""QID1""}"'
SURVEY = f"pid,Q1\npid,How was it?\n{IDS}\n{CANARY},3\nb,5\n"
DEEP = "[" * 100_000

TEXTS = (
    csv("of NUL bytes", b"\0" * 5000, "error"),
    csv("with NUL bytes", f"patient,wai\n{CANARY}\0,1\n", "error"),
    csv("control characters", f"patient,wai\n{CANARY}\x01\x02,1\n"),
    csv("mixed delimiters", f"patient,session,wai\n{CANARY};1;2\n{CANARY};2;3\n", "error"),
    csv("delimiters that change", f"patient;wai\n{CANARY};1\n{CANARY},2\n", "error"),
    csv(
        "hundred thousand columns",
        lambda: ",".join(f"c{k}" for k in range(100_000)) + "\n" + "1," * 99_999 + "1\n",
        "table",
    ),
    csv("header cell of ten megabytes", lambda: "a," + "b" * 10_000_000 + f"\n1,{CANARY}\n", "error"),
    csv("cell of ten megabytes", lambda: 'a,b\n1,"' + "b" * 10_000_000 + '"\n', "table"),
    csv("ten million empty cells", lambda: "a,b\n" + ",\n" * 5_000_000, "error"),
    csv("ten million empty cells in one row", lambda: "a\n" + "," * 10_000_000 + "\n", "error"),
    csv("million short rows", lambda: "a,b\n" + "1\n" * 1_000_000, "error"),
    csv("only delimiters", "," * 1_000_000, "error"),
    csv("only quotation marks", '"' * 1_000_000, "error"),
    csv("only line ends", "\n" * 1_000_000, "error"),
    csv("quotes never closed", f'patient,wai\n{CANARY},"1\n{CANARY},2\n', "error"),
    csv("quotes never closed in the header", f'"patient,wai\n{CANARY},1\n{CANARY},2\n', "error"),
    csv("quotes within cells", f'patient,wai\n{CANARY} "x" y,1\nb,2\n', "table"),
    csv("line ends of old computers", TABLE.replace("\n", "\r"), "table", read="sessions"),
    csv("mixed line ends", f"patient,session\r\n{CANARY},1\n{CANARY},2\r{CANARY},3\n", "", read="sessions"),
    csv("lone surrogate", b"patient,wai\n\xed\xa0\x80,1\n"),
    csv("lone surrogate in UTF-16", b"\xff\xfe" + "a,b\n1,".encode("utf-16-le") + b"\x00\xd8\n\x00", "error"),
    csv("half a letter of UTF-16", b"\xff\xfea\x00,\x00b\x00\n", "error"),
    csv("UTF-16 without a mark", TABLE.encode("utf-16-le"), "error"),
    csv("UTF-32", TABLE.encode("utf-32"), "error"),
    csv("broken UTF-8", "patient,wai\näöüß,1\n".encode() + b"\xff,2\n", "error"),
    csv("EBCDIC", TABLE.encode("cp500"), "error"),
    csv("byte order mark in the middle", TABLE.encode() + TABLE.encode("utf-8-sig"), "error"),
    csv("byte order mark in a cell", f"patient,wai\n\ufeff{CANARY},1\n".replace("\n\ufeff", "\n \ufeff"), "table"),
    csv("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf" + TABLE.encode(), "table", read="sessions"),
    csv("header twice", TABLE + TABLE, "error"),
    csv("no header", f"{CANARY},1,{CANARY}\n{CANARY},2,{CANARY}\n", "error", read="sessions"),
    csv("names that repeat", f"wai,wai\n{CANARY},1\n", "error"),
    csv("names of spaces", f"patient,   \n{CANARY},1\n", "error"),
    csv("numbers too large", "a,b\n1e999,99999999999999999999999\n-1e999,1\n", "table"),
    csv("sessions too large", "patient,session\na,1e300\nb,inf\n", "error", read="sessions"),
    csv("remarks only", f"# {CANARY}\n# {CANARY}\n", "error"),
    csv("declared delimiter only", "sep=;\n", "error"),
    csv("an archive", b"PK\x03\x04" + b"\0" * 100, "error"),
    csv("a compressed file", zlib.compress(TABLE.encode()), "error"),
)

SIDECARS = (
    beside("no JSON", CANARY),
    beside("deep nesting", DEEP),
    beside("deep nesting inside", '{"form": "alliance-stats labels 1", "labels": ' + DEEP),
    beside("no UTF-8", b'{"form": "\xff\xfe"}'),
    beside("cut off", json.dumps(LABELS)[:40]),
    beside("another form", {"form": CANARY}),
    beside("a list", "[]"),
    beside("a number", "1e999"),
    beside("labels that are a list", {"labels": []}),
    beside("labels of another kind", {"labels": {"wai": [CANARY]}}),
    beside("codes that are lists", {"labels": {"wai": {"value_labels": [[[1], "x"]]}}}),
    beside("ranges of three", {"labels": {"wai": {"missing": [[1, 2, 3]]}}}),
    beside("level that is none", {"labels": {"wai": {"measure": CANARY}}}),
    beside(
        "lone surrogate",
        '{"form": "alliance-stats labels 1", "labels": {"wai": {"label": "\\ud800"}}, "reasons": "", '
        '"types": {}, "escaped": []}',
    ),
    beside("reasons that are no JSON", {"reasons": CANARY}),
    beside("reasons that are no rows", {"reasons": json.dumps({"wai": [[1.0, CANARY]]})}),
    beside("reasons that unpack to much", {"reasons": json.dumps({"wai": [[1.0, packed(b"\0" * 9_000_000)]]})}),
    beside("reasons of half a row", {"reasons": json.dumps({"wai": [[1.0, packed(b"\0" * 5)]]})}),
    beside("dates that are none", {"types": {"patient": "date"}}),
    beside("truth values that are none", {"types": {"patient": "truth"}}),
    beside("unknown type", {"types": {"patient": CANARY}}, "table"),
    beside("columns that are not there", {"labels": {CANARY: {"label": "x"}}}, "table"),
    beside("empty", b""),
)

EXPORTS = (
    redcap("export cut off", EXPORT[:-12]),
    redcap("export of NUL bytes", b"\0" * 100),
    redcap("empty export", ""),
    redcap("export without repetitions", f"id,ors\n{CANARY},1\n"),
    redcap("export with labels", EXPORT.replace("visit,1", "visit,first").replace("redcap_repeat_instance", "x")),
    redcap("instances that are no numbers", EXPORT.replace("visit,2", f"visit,{CANARY}")),
    redcap("export without the record", EXPORT.replace("id,redcap", "x,redcap", 1)),
    redcap("empty dictionary", EXPORT, ""),
    redcap("dictionary of another kind", EXPORT, TABLE),
    redcap("dictionary cut off", EXPORT, DICTIONARY[:-60]),
    redcap("dictionary of bytes", EXPORT, bytes(range(256))),
    redcap("branching without end", EXPORT, DICTIONARY.replace("[id] > 1", "(" * 20_000 + "[id] > 1"), ""),
    redcap("branching that is circular", EXPORT, DICTIONARY.replace("[id] > 1", "[ors] > [ors]"), ""),
    redcap("branching of no sense", EXPORT, DICTIONARY.replace("[id] > 1", "[[[ and or ) = '"), ""),
    redcap("choices of no sense", EXPORT, DICTIONARY.replace("1, low | 2, high", "|,|,,|" * 1000), ""),
    redcap("field twice", EXPORT, DICTIONARY + "ors,visit,text,Score,,,\n", ""),
    qualtrics("cut off", SURVEY[:20]),
    qualtrics("two header rows", f"pid,Q1\npid,How?\n{CANARY},3\n"),
    qualtrics("no answers", "\n".join(SURVEY.split("\n")[:3]) + "\n"),
    qualtrics("deep nesting", SURVEY.replace(IDS, f'"{DEEP}","{{""ImportId"":1}}"'), ""),
    qualtrics("NUL bytes", SURVEY.replace("b,5", "b\0,5")),
    qualtrics("question of ten megabytes", lambda: SURVEY.replace("How was it?", '"' + "x" * 10_000_000 + '"'), ""),
    qualtrics("quotes never closed", SURVEY.replace("How was it?", '"How')),
    qualtrics("names that repeat", SURVEY.replace("pid,Q1", "pid,pid")),
    qualtrics("another encoding", SURVEY.replace("How", "Wüe").encode("utf-16"), ""),
    qualtrics("empty", ""),
)

CASES: tuple[Case, ...] = (*TEXTS, *SIDECARS, *EXPORTS)
