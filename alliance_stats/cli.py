"""The command line: run the bundled studies; check, convert and score files; list public data; check instrument files."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

import click

from alliance_stats import __version__
from alliance_stats.errors import AllianceStatsError, AllianceStatsWarning, FileError

INTERRUPTED = 130
TERMINATED = 143
SHOWN_ERRORS = 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="alliance-stats")
def commands() -> None:
    """Alliance ratings, session outcomes and the mixed-effects models that connect them."""


@commands.command("list")
def list_command() -> None:
    """List the bundled studies."""
    from alliance_stats.studies import list_studies

    studies = list_studies()
    for name, title, question, data in studies.astype(str).itertuples(index=False, name=None):
        click.echo(click.style(name, bold=True))
        for text in (title, question, f"Data: {data}" if data else ""):
            if text:
                click.echo(textwrap.fill(text, width=100, initial_indent="  ", subsequent_indent="  "))
    if studies.empty:
        click.echo("No studies are installed.")


@commands.command("run")
@click.argument("name")
@click.option("--data", metavar="FILE", help="Your data: a file, or a folder when the map names several files.")
@click.option(
    "--columns", metavar="MAP", help="Column map (TOML): which column is which. Or the name of a bundled map."
)
@click.option("--out", metavar="DIR", help="Folder for the report; reports/NAME if left out.")
@click.option("--quiet", is_flag=True, help="No progress bar and no notes; print the path of the report only.")
def run_command(name: str, data: str | None, columns: str | None, out: str | None, quiet: bool) -> None:
    """Run the study NAME and write its report.

    Runs on the bundled sample, or on your data with --data and --columns.
    """
    from alliance_stats.studies import run_study

    with _termination_as_exit():
        run = run_study(name, data=data, columns=columns, out=out, progress=not quiet)
    if quiet:
        click.echo(_shown(run.report))
        return
    for note in run.notes:
        click.echo(note)
    click.echo(f"Report: {_shown(run.report)}")
    word = "table" if len(run.tables) == 1 else "tables"
    place = f" in {_shown(run.tables[0].parent)}" if run.tables else ""
    click.echo(f"{len(run.tables)} {word}{place}; {run.seconds:.0f} s")


@commands.command("check")
@click.argument("file")
@click.option(
    "--patient", default="patient", show_default=True, metavar="COL", help="Column with the id of the patient."
)
@click.option("--session", default="session", show_default=True, metavar="COL", help="Column with the session's order.")
@click.option("--therapist", metavar="COL", help="Column with the id of the therapist.")
@click.option("--date", metavar="COL", help="Column with the date of the session.")
@click.option("--json", "report", metavar="FILE", help="JSON file to write: all rules with their counts.")
@click.option("--force", is_flag=True, help="Replace the JSON file if it exists.")
def check_command(
    file: str, patient: str, session: str, therapist: str | None, date: str | None, report: str | None, force: bool
) -> int:
    """Check the session table in FILE before anything is computed from it.

    Prints what is broken, what is doubtful and what is good to know, with counts and without ids. Ends with 1 if something
    is broken.
    """
    from alliance_stats.loaders.readers import read_table
    from alliance_stats.loaders.session_check import check_sessions
    from alliance_stats.loaders.sessions import id_columns, with_canonical_names

    target = None if report is None else _free_target(report, "--json", force=force)
    names = {"patient": patient, "session": session} | ({} if therapist is None else {"therapist": therapist})
    frame = with_canonical_names(read_table(file, ids=id_columns(names), exempt=(patient, session)), names)
    found = check_sessions(frame, date=date)
    if target is not None:
        _write_whole(json.dumps(found.to_dict(), indent=1) + "\n", target)
    for level, n, n_of, unit, sentence in found.tidy()[["level", "n", "n_of", "unit", "finding"]].itertuples(
        index=False
    ):
        click.echo(f"{click.style(level, bold=True)}: {sentence} {n} of {n_of} {unit}.")
    for note in found.notes:
        click.echo(note)
    click.echo(f"{found.n_errors} errors, {found.n_doubts} doubts" + ("" if target is None else f": {_shown(target)}"))
    return 1 if found.n_errors else 0


@commands.command("convert")
@click.argument("source", metavar="IN")
@click.argument("out")
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
def convert_command(source: str, out: str, force: bool) -> None:
    """Convert the table in IN to the format of the file OUT, told by its ending.

    Labels of columns and values, levels of measurement and reasons of missing answers are kept.
    """
    from alliance_stats.loaders.leading_zeros import read_keeping_zeros
    from alliance_stats.loaders.writers import write_sessions

    target = _free_target(out, "OUT", force=force)
    frame = read_keeping_zeros(source)
    written = write_sessions(frame, target, overwrite=force)
    for note in frame.attrs.get("notes", ()):
        click.echo(note)
    click.echo(f"{len(frame)} rows, {frame.shape[1]} columns: {_shown(written.resolve())}")


@commands.command("datasets")
def datasets_command() -> None:
    """List the public data sets that fetch_dataset() can get."""
    from alliance_stats.loaders.datasets import list_datasets

    columns = ["name", "title", "level", "rows", "simulated", "licence", "citation"]
    listed = list_datasets()[columns].astype(object)
    for name, title, level, rows, simulated, licence, citation in listed.itertuples(index=False, name=None):
        click.echo(click.style(name, bold=True))
        size = f"{rows} rows" if isinstance(rows, int) else "Rows unknown"
        about = f"{size}, one per {level}{', simulated' if simulated else ''}"
        for text in (title, about, f"Licence: {licence}", f"Cite: {citation}"):
            click.echo(textwrap.fill(text, width=100, initial_indent="  ", subsequent_indent="  "))


@commands.command("score")
@click.argument("file")
@click.option("--instrument", required=True, metavar="KEY", help="Instrument, for example wai_sr.")
@click.option("--items", required=True, metavar="PATTERN", help='Item columns, for example "wai{}" for wai1, wai2, ...')
@click.option("--storage", metavar="NAME", help="How answers were stored, for instruments where it has to be said.")
@click.option("--max-missing", type=click.IntRange(0), metavar="N", help="Missing answers that a score may have.")
@click.option("--out", required=True, metavar="FILE", help="CSV file to write: the data with the scores added.")
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
def score_command(
    file: str, instrument: str, items: str, storage: str | None, max_missing: int | None, out: str, force: bool
) -> None:
    """Score the answers in FILE and write them with the scores to a CSV file.

    Missing answers follow the rule of the instrument unless --max-missing sets another; columns that are no items are
    written as they were read.
    """
    from alliance_stats.loaders.readers import read_table
    from alliance_stats.scales.scoring import score

    target = _free_target(out, "--out", force=force)
    columns = [str(column) for column in read_table(file).columns]
    prefix, _, suffix = items.partition("{}")
    kept = [name for name in columns if not _is_item(name, prefix, suffix)]
    frame = read_table(file, ids=kept)
    rule = None if max_missing is None else {"max_missing": max_missing}
    scored = score(frame, instrument, items=items, storage=storage, missing=rule)
    _write_whole(scored.to_csv(index=False, lineterminator="\n"), target)
    added = [str(column) for column in scored.columns if column not in frame.columns]
    for note in scored.attrs.get("notes", ()):
        click.echo(note)
    click.echo(f"{len(scored)} rows scored ({', '.join(added)}): {_shown(target.resolve())}")


@commands.group("instrument")
def instrument_group() -> None:
    """Instruments: check a file of your own."""


@instrument_group.command("check")
@click.argument("file")
def instrument_check_command(file: str) -> None:
    """Check the instrument in FILE (TOML): entries, ranges, sources and worked examples.

    Then lists the errors of the key that its worked examples would not notice.
    """
    from alliance_stats.scales.examples import unnoticed_errors
    from alliance_stats.scales.instrument import read_instrument

    instrument = read_instrument(Path(file).expanduser())
    click.echo(repr(instrument))
    if not instrument.loadable:
        click.echo("The file is in order. The instrument is listed and not scored.")
        return
    n_examples = len(instrument.examples)
    come = "worked example comes" if n_examples == 1 else "worked examples come"
    click.echo(f"The file is in order: {n_examples} {come} out.")
    unnoticed = unnoticed_errors(instrument)
    if unnoticed:
        click.echo(f"The worked examples would not notice {len(unnoticed)} errors of the key:")
        for error in unnoticed[:SHOWN_ERRORS]:
            click.echo(f"  {error}")
        if len(unnoticed) > SHOWN_ERRORS:
            click.echo(f"  and {len(unnoticed) - SHOWN_ERRORS} more")
        click.echo(
            "Hint: add examples, such as the item numbers written in the base of the scale; see docs/instruments.md."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; those of the process if left out.

    Returns
    -------
    int
        0 when all went well, 1 after an error in data or study, 2 for a wrong command, 130 after Ctrl-C.
    """
    try:
        with _own_warnings():
            words = None if arguments is None else list(arguments)
            code = commands.main(words, "alliance-stats", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; nothing was written.", err=True)
        return INTERRUPTED
    except AllianceStatsError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except Exception as error:
        if os.environ.get("ALLIANCE_STATS_DEBUG"):
            raise
        click.echo(_unexpected(error), err=True)
        return 1
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception) -> str:
    """Return a message for an error nobody foresaw, without its text, which may hold data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}" if trace else ""
    return (
        f"Error: Unexpected {type(error).__name__}{where}.\n"
        "Hint: set ALLIANCE_STATS_DEBUG=1 to see the full traceback, which may show data."
    )


def _is_item(name: str, prefix: str, suffix: str) -> bool:
    """Tell whether a column is an item: the pattern's texts around a number."""
    number = name.removeprefix(prefix).removesuffix(suffix)
    return name == f"{prefix}{number}{suffix}" and number.isdigit()


def _free_target(name: str, option: str, *, force: bool) -> Path:
    """Return the path of a file to write, which may exist only if it is to be replaced."""
    target = Path(name).expanduser()
    if target.exists() and not force:
        raise FileError.build(f"'{name}' exists.", hint=f"give another {option}, or replace it with --force.")
    return target


def _write_whole(text: str, target: Path) -> None:
    """Write a file so that it is there entirely or not at all."""
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(target)
    except OSError as error:
        raise FileError.build(
            f"Cannot write '{target.name}': {error.strerror}.", hint="give a folder that exists and may be written to."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _shown(path: Path) -> str:
    """Return a path relative to the current folder when it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


@contextmanager
def _own_warnings() -> Iterator[None]:
    """Show the warnings of this package as plain lines, and no others: their text may hold data."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, AllianceStatsWarning):
            click.echo(f"Warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", AllianceStatsWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _termination_as_exit() -> Iterator[None]:
    """Make a request to terminate unwind the program, so that temporary files and the kernel go with it."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
