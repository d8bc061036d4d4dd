"""No id, name, date or text of a person appears in anything that is shown, logged, raised or written."""

from __future__ import annotations

import inspect
import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib import pyplot

import alliance_stats as al
from alliance_stats.cli import main
from alliance_stats.errors import AllianceStatsError
from tests.canary_calls import CALLS
from tests.canary_data import NEEDLES, STOPPERS, WORD, Canaries, Flavour, broken, broken_files, canaries, leaks
from tests.canary_parts import MAP, OWN_DATA, Calls

PUBLIC = [name for name in al.__all__ if inspect.isfunction(getattr(al, name))]
FLAVOURS: tuple[Flavour, ...] = ("text", "number")


@pytest.fixture(scope="module", params=FLAVOURS)
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Canaries:
    """Return the table with secrets, ids as texts or as numbers."""
    return canaries(request.param, tmp_path_factory.mktemp(f"canary_{request.param}"))


@pytest.fixture(autouse=True)
def surroundings(data: Canaries, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw without a screen, into a cache of the test's own."""
    monkeypatch.setenv("ALLIANCE_STATS_CACHE", str(data.folder / "cache"))
    monkeypatch.chdir(data.folder)
    before = mpl.get_backend()
    mpl.use("Agg")
    yield
    pyplot.close("all")
    mpl.use(before)


class Witness(logging.Handler):
    """Keeps all that loggers say, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


def pictured(axes: Any) -> str:
    """Return every text of a figure."""
    figure = axes.figure
    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def picture_of(result: al.Result) -> str:
    """Return the texts of a result's picture, or the error that says there is none."""
    try:
        return pictured(result.plot())
    except AllianceStatsError as problem:
        return "".join(traceback.format_exception(problem))


def shown_of(result: Any, own_data: tuple[str, ...], *, drawn: bool = True) -> dict[str, str]:
    """Return all that a result shows of itself, by the way in which it is shown."""
    if isinstance(result, pd.DataFrame | pd.Series):
        # The values are the user's own; what is said about them is not.
        return {"notes": str(result.attrs.get("notes", "")), "labels": str(result.attrs.get("labels", ""))}
    if hasattr(result, "figure"):
        return {"picture": pictured(result)}
    shown = {"repr": repr(result), "str": str(result)}
    for name in ("_repr_html_", "to_markdown", "to_html", "to_latex", "summary", "describe"):
        make = getattr(type(result), name, None)
        if make is not None:
            shown[name] = str(make(result))
    if isinstance(result, al.Result):
        shown["tidy"] = result.tidy().to_csv()
        shown["glance"] = result.glance().to_csv()
        shown["to_dict"] = json.dumps(result.to_dict(), default=str)
        shown["notes"] = str(result.notes)
        if drawn:
            shown["plot"] = picture_of(result)
    if "tidy" in own_data:
        shown = {way: text for way, text in shown.items() if way in ("repr", "str", "glance", "notes")}
    return shown


class Watch:
    """Runs calls and collects what can be read afterwards, apart from the returned values themselves."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.found: list[str] = []

    def run(self, name: str, call: Callable[[], Any], own_data: tuple[str, ...] = (), *, drawn: bool = True) -> str:
        """Run a call; return "" if it worked, the name of its exception if not."""
        witness = Witness()
        root = logging.getLogger()
        level = root.level
        root.addHandler(witness)
        root.setLevel(logging.DEBUG)
        shown: dict[str, str] = {}
        ended = ""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                shown = shown_of(call(), own_data, drawn=drawn)
            # What a user sees of any exception is what matters here, not its type.
            except Exception as problem:
                ended = type(problem).__name__
                shown = {f"exception {ended}": "".join(traceback.format_exception(problem))}
            finally:
                root.removeHandler(witness)
                root.setLevel(level)
        out, err = self._capfd.readouterr()
        shown |= {"stdout": out, "stderr": err, "log": "\n".join(witness.said)}
        shown["warnings"] = "\n".join(str(one.message) for one in warned)
        self.found += [f"{name}, {way}: {hit}" for way, text in shown.items() for hit in leaks(text)[:2]]
        return ended


@pytest.fixture
def watch(capfd: pytest.CaptureFixture[str]) -> Watch:
    return Watch(capfd)


def test_every_public_function_is_called_here() -> None:
    assert set(PUBLIC) - set(CALLS) == set(), "add the new functions to their part of tests/canary_*.py"
    assert set(CALLS) - set(PUBLIC) == set(), "remove what is no public function any more"
    for name, calls in CALLS.items():
        assert calls.on_frame or calls.works or calls.fails, name
        assert set(calls.own_data) <= set(OWN_DATA), name


def test_the_secrets_are_found_where_they_are(data: Canaries, watch: Watch) -> None:
    secrets = [
        data.frame[name].iloc[0] for name in ("patient", "therapist", "site", "dyad", "name", "date", "note", "phone")
    ]
    assert all(NEEDLES.search(str(secret)) for secret in secrets)

    def loud() -> None:
        sys.stdout.write(str(secrets[0]))
        logging.getLogger("any").debug("%s", secrets[1])
        warnings.warn(str(secrets[2]), stacklevel=1)
        raise KeyError(secrets[3])

    assert watch.run("loud", loud) == "KeyError"
    ways = {line.split(":")[0] for line in watch.found}
    assert ways == {"loud, stdout", "loud, log", "loud, warnings", "loud, exception KeyError"}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_working_calls_show_no_secret(name: str, data: Canaries, watch: Watch) -> None:
    calls = CALLS[name]
    works = list(calls.works)
    if calls.on_frame is not None and not works:
        works = [lambda d: calls.on_frame(d, d.frame)]
    for number, call in enumerate(works):
        ended = watch.run(f"{name} works[{number}]", lambda call=call: call(data), calls.own_data)
        assert ended == "", f"{name} works[{number}] ended with {ended}"
    assert watch.found == []


@pytest.mark.parametrize("name", sorted(name for name, calls in CALLS.items() if calls.fails))
def test_failing_calls_show_no_secret(name: str, data: Canaries, watch: Watch) -> None:
    for number, call in enumerate(CALLS[name].fails):
        watch.run(f"{name} fails[{number}]", lambda call=call: call(data), CALLS[name].own_data)
    assert watch.found == []


@pytest.mark.parametrize("name", sorted(name for name, calls in CALLS.items() if calls.on_frame))
def test_broken_frames_show_no_secret(name: str, data: Canaries, watch: Watch) -> None:
    calls = CALLS[name]
    # The same checks see ids as texts and as numbers, so numbers get the short list.
    short = calls.costly or data.flavour == "number"
    frames = {how: frame for how, frame in broken(data.frame).items() if how not in calls.terms_on}
    for how in STOPPERS if short else frames:
        if how in frames:
            watch.run(
                f"{name} on {how}", lambda how=how: calls.on_frame(data, frames[how]), calls.own_data, drawn=False
            )
    assert watch.found == []


@pytest.mark.parametrize("name", sorted(name for name, calls in CALLS.items() if calls.on_file))
def test_broken_files_show_no_secret(name: str, data: Canaries, watch: Watch, tmp_path: Path) -> None:
    calls: Calls = CALLS[name]
    for path in broken_files(tmp_path, data.frame):
        watch.run(f"{name} on {path.name}", lambda path=path: calls.on_file(data, path))
    assert watch.found == []


FILE_READERS: dict[str, Callable[[Path], Any]] = {
    "read_column_map": al.read_column_map,
    "load_instrument": al.load_instrument,
    "load_codebook": al.load_codebook,
}


@pytest.mark.parametrize("name", FILE_READERS)
def test_data_in_place_of_a_description_show_no_secret(name: str, data: Canaries, watch: Watch, tmp_path: Path) -> None:
    for path in broken_files(tmp_path, data.frame):
        if path.suffix != ".toml":
            watch.run(f"{name} on {path.name}", lambda path=path: FILE_READERS[name](path))
    assert watch.found == []


def test_levels_are_shown_only_when_asked_for(data: Canaries) -> None:
    fit = data.fit()
    assert leaks(fit.random_effects("patient").to_csv())
    assert not leaks(
        fit.tidy().to_csv() + fit.summary() + repr(fit) + fit.to_markdown() + json.dumps(fit.to_dict(), default=str)
    )


def test_a_written_report_shows_no_secret(data: Canaries, watch: Watch) -> None:
    out = data.folder / "report"
    mapped = data.file("map.toml", MAP)
    ended = watch.run(
        "run_study", lambda: al.run_study("therapist-statements", data="ward.csv", columns=mapped, out=out)
    )
    files = [path for path in out.rglob("*") if path.is_file()]
    for path in files:
        watch.found += [f"{path.name}: {hit}" for hit in leaks(path.read_bytes().decode("utf-8", "replace"))[:2]]
    assert watch.found == []
    assert ended == ""
    assert {".html", ".csv", ".json", ".ipynb"} <= {path.suffix for path in files}


COMMANDS: dict[str, tuple[list[str], int]] = {
    "check": (
        ["check", "ward.csv", "--therapist", "therapist", "--date", "date", "--json", "found.json", "--force"],
        0,
    ),
    "check, dates as sessions": (["check", "ward.csv", "--session", "date"], 1),
    "check, names as sessions": (["check", "ward.csv", "--patient", "name", "--session", "note"], 1),
    "check, no column": (["check", "ward.csv", "--patient", "pid"], 1),
    "check, no header": (["check", "no_header.csv"], 1),
    "check, broken": (["check", "broken.sav"], 1),
    "convert": (["convert", "ward.csv", "ward.sav", "--force"], 0),
    "convert, unknown": (["convert", "ward.csv", "ward.docx"], 1),
    "convert, broken": (["convert", "binary.csv", "ward.dta", "--force"], 1),
    "score": (
        ["score", "ward.csv", "--instrument", "wai_sr", "--items", "wai_{}", "--out", "scored.csv", "--force"],
        0,
    ),
    "score, text": (["score", "text.csv", "--instrument", "wai_sr", "--items", "wai_{}", "--out", "x.csv"], 1),
    "score, broken": (["score", "quotation.csv", "--instrument", "wai_sr", "--items", "wai_{}", "--out", "x.csv"], 1),
    "instrument check": (["instrument", "check", "ward.csv"], 1),
    "run, no map": (["run", "therapist-statements", "--data", "ward.csv"], 1),
    "run, no header": (["run", "therapist-statements", "--data", "no_header.csv", "--columns", "map.toml"], 1),
    "run, text": (["run", "therapist-statements", "--data", "text.csv", "--columns", "map.toml"], 1),
    "list": (["list"], 0),
    "datasets": (["datasets"], 0),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_commands_show_no_secret(case: str, data: Canaries, watch: Watch) -> None:
    arguments, code = COMMANDS[case]
    broken_files(data.folder, data.frame)
    data.file("map.toml", MAP)
    texts = data.frame.astype({"wai_1": object, "ors": object})
    texts.loc[2, ["wai_1", "ors"]] = f"{WORD} forgot"
    texts.to_csv(data.folder / "text.csv", index=False)
    codes: list[int] = []
    assert watch.run(case, lambda: codes.append(main(arguments))) == ""
    assert watch.found == []
    assert codes == [code]
    if "--json" in arguments:
        assert leaks((data.folder / "found.json").read_text("utf-8")) == []
