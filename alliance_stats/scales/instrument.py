"""The instruments that come with the library, and those users write themselves."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alliance_stats.errors import InstrumentError, unknown_name
from alliance_stats.scales.examples import failing_examples
from alliance_stats.scales.instrument_file import parse_instrument
from alliance_stats.scales.instrument_parts import Instrument
from alliance_stats.scales.instrument_ranges import as_form
from alliance_stats.scales.toml_reader import read_toml

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Instrument", "list_instruments", "load_instrument"]

FOLDER = Path(__file__).parent / "instruments"


def load_instrument(key: str | Path, *, form: str | None = None) -> Instrument:
    """Load the scoring key of an instrument.

    The file is checked whenever it is read: its worked examples must come out.

    Parameters
    ----------
    key : str or Path
        Key of a bundled instrument, such as ``"wai_sr"``, or the path of an instrument file of your own, ending in
        ``.toml``.
    form : str, optional
        A version in which some items are not asked, such as ``"not_working"`` of ``"wsas"``; the complete one if left
        out. ``load_instrument(key).forms`` holds the names.

    Returns
    -------
    Instrument

    Raises
    ------
    InstrumentError
        If no instrument has the key, if the instrument may not be scored because its key is not supported by a source
        (the reason is given), if it has no such form, or if the file contradicts itself.
    FileError
        If the path cannot be read.

    See Also
    --------
    list_instruments : all keys.
    score : from items to scores.

    Examples
    --------
    >>> import alliance_stats as al
    >>> wai = al.load_instrument("wai_36")
    >>> wai.n_items, wai.score_named("sum").describe()
    (36, 'sum of 36 items, 36-252')
    >>> al.load_instrument("wai_s").score_named("task")
    Traceback (most recent call last):
    ...
    alliance_stats.errors.InstrumentError: WAI-S: score 'task' is not computed: ...
    """
    if not isinstance(key, (str, Path)):
        raise InstrumentError.build(
            f"An instrument is named by its key or its file, not by {type(key).__name__}.",
            hint="pass a key of list_instruments(), such as 'wai_sr', or the path of a .toml file.",
        )
    path = Path(key)
    bundled = path.suffix.lower() != ".toml"
    instrument = read_bundled(str(key)) if bundled else read_instrument(path)
    if not instrument.loadable:
        raise InstrumentError.build(
            f"'{instrument.key}' ({instrument.abbreviation}) is not scored: {instrument.reason}",
            hint="with the manual at hand, write its key into a file of your own and pass the path; "
            "see docs/instruments.md.",
        )
    return as_form(instrument, form)


def read_instrument(path: Path) -> Instrument:
    """Read and check an instrument file, whether the instrument may be scored or not.

    Parameters
    ----------
    path : Path
        A TOML file in the format of docs/instruments.md.

    Returns
    -------
    Instrument

    Raises
    ------
    FileError
        If the file cannot be read.
    InstrumentError
        If an entry is missing, unknown or impossible, or if a worked example does not come out.
    """
    entries, lines = read_toml(path)
    instrument = parse_instrument(entries, path.name, lines=lines)
    failures = failing_examples(instrument)
    if failures:
        label, name, given, computed = failures[0]
        raise InstrumentError.build(
            f"{path.name}: the worked example '{label}' says {name} = {given:g}; the key gives {computed:.4f}.",
            hint="correct the key or the example; one of them is wrong.",
        )
    return instrument


def list_instruments() -> pd.DataFrame:
    """List the bundled instruments, those that may be scored first.

    Returns
    -------
    DataFrame
        One row per instrument: key, name, construct, raters, n_items, response_min, response_max (lowest and highest
        answer over all items), scores, score_min, score_max and direction (of the first score), storages and forms
        (where there is a choice), confidence (how well the key is supported), licence, loadable, reason (why it is not
        scored; empty if it is).

    See Also
    --------
    load_instrument : one of them, with everything known about it.

    Examples
    --------
    >>> import alliance_stats as al
    >>> al.list_instruments().set_index("key").loc[["wai_sr", "wai_o"], "loadable"].to_dict()
    {'wai_sr': True, 'wai_o': False}
    """
    import pandas as pd

    instruments = [read_bundled(key) for key in bundled_keys()]
    rows = [
        {
            "key": instrument.key,
            "name": instrument.name,
            "construct": instrument.construct,
            "raters": ", ".join(instrument.raters),
            "n_items": instrument.n_items,
            "response_min": min(instrument.minimum, default=None),
            "response_max": max(instrument.maximum, default=None),
            "scores": ", ".join(instrument.scores),
            "score_min": next((score.low for score in instrument.scores.values()), None),
            "score_max": next((score.high for score in instrument.scores.values()), None),
            "direction": next((score.direction for score in instrument.scores.values()), ""),
            "storages": ", ".join(name for name in instrument.storages if len(instrument.storages) > 1),
            "forms": ", ".join(instrument.forms),
            "confidence": instrument.confidence,
            "licence": instrument.licence,
            "loadable": instrument.loadable,
            "reason": instrument.reason,
        }
        for instrument in instruments
    ]
    numbers = ("response_min", "response_max", "score_min", "score_max")
    table = pd.DataFrame(rows).astype({"n_items": "Int64", **dict.fromkeys(numbers, "Float64")})
    return table.sort_values(["loadable", "key"], ascending=[False, True], ignore_index=True)


@cache
def bundled_keys() -> tuple[str, ...]:
    """Return the keys of the bundled instruments in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def read_bundled(key: str) -> Instrument:
    """Return a bundled instrument, whether it may be scored or not.

    Parameters
    ----------
    key : str
        One of `bundled_keys`.

    Returns
    -------
    Instrument

    Raises
    ------
    InstrumentError
        If no instrument has the key.
    """
    if key not in bundled_keys():
        raise unknown_name(InstrumentError, "instrument", key, bundled_keys())
    instrument = read_instrument(FOLDER / f"{key}.toml")
    if instrument.key != key:
        raise InstrumentError.build(
            f"{key}.toml holds the key '{instrument.key}'.", hint="name the file after the key."
        )
    return instrument
