"""Data that can leave the house: pseudonyms, days for dates, no old ages, no free text."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.columns import ID_COLUMNS, as_names, numeric_values, require_columns
from alliance_stats.errors import DataError, listing, unknown_name
from alliance_stats.loaders.labels import labels_of, with_labels
from alliance_stats.loaders.missing_reasons import as_text, row_codes, with_reasons

FreeText: TypeAlias = Literal["drop", "keep"]

SHORTEST_KEY = 16
"""Characters; NIST SP 800-107 rev. 1, section 5.3.4, wants HMAC keys of at least 112 bits."""

TOP_AGE = 90
"""Ages from 90 on form one class: 45 CFR 164.514(b)(2)(i)(C), the HIPAA Safe Harbor rule."""

_MOST_CATEGORIES, _LONGEST_CATEGORY = 20, 40
_NAMING = ("name", "mail", "phone", "address", "street")
_DATE_LIKE = r"\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})"

LONGEST_COURSE = 5 * 365
"""Days: a date that far before a patient's other dates is a date of birth rather than of therapy; a convention."""


def pseudonymise(
    frame: pd.DataFrame,
    *,
    key: str | bytes,
    study: str,
    ids: Sequence[str] = (),
    dates: Sequence[str] = (),
    ages: Sequence[str] = (),
    free_text: FreeText = "drop",
) -> pd.DataFrame:
    """Return a session table without names of persons, dates, high ages and free text.

    Use it before data leave the place where they were gathered. The same key and study give the same pseudonyms, so that
    later waves can be joined; another study gives others, so that studies cannot be joined. Whoever has the key and a list
    of ids can undo it: keep the key apart. The data are then pseudonymous, not anonymous; see `k_anonymity` for what is
    left.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session (or rating), with a column 'patient'.
    key : str or bytes
        Secret of at least 16 characters. It is not stored.
    study : str
        Name of the study, part of every pseudonym.
    ids : sequence of str
        Further columns of ids. The columns patient, therapist, site and dyad always are.
    dates : sequence of str
        Further columns of dates, as text. Columns of dates always are. All become days since the patient's first date.
        A column of dates more than five years before the others, such as a date of birth, is left out: it would give
        ages away.
    ages : sequence of str
        Columns of ages in years; ages from 90 on become 90.
    free_text : {"drop", "keep"}
        What becomes of columns with free text: text with more than 20 different values or more than 40 letters in one,
        names and addresses by the column's name, and dates written as text that are not named in ``dates``.
        "keep" names them in the notes.

    Returns
    -------
    DataFrame
        The same rows in the same order, new row labels. ``attrs["notes"]`` says what was done to which column.

    Raises
    ------
    ColumnError
        If a column is missing.
    DataError
        If the key is too short, the study has no name, a column of dates cannot be read, or ages are no numbers.

    Notes
    -----
    A pseudonym is the beginning of HMAC-SHA256(key, study, column, id): 16 hexadecimal digits, or as many more as are needed
    for different ids to stay different. HMAC: RFC 2104, https://www.rfc-editor.org/rfc/rfc2104. The key of HMAC must be as
    secret as the ids: ids are few, and whoever has the key can try them all.

    See Also
    --------
    k_anonymity, suppress_small_cells

    Examples
    --------
    >>> import alliance_stats as al
    >>> frame = al.load_sample("therapist_statements")
    >>> safe = al.pseudonymise(frame, key="a long secret sentence", study="ward 7")
    >>> safe["patient"].nunique() == frame["patient"].nunique(), len(safe["patient"].iloc[0])
    (True, 16)
    """
    secret = _secret(key, study)
    if free_text not in ("drop", "keep"):
        raise unknown_name(DataError, "way with free text", str(free_text), ["drop", "keep"])
    ids, dates, ages = as_names(ids), as_names(dates), as_names(ages)
    require_columns(frame, ["patient", *ids, *dates, *ages])
    named = list(dict.fromkeys([*(name for name in ID_COLUMNS if name in frame.columns), *ids]))
    dated = list(dict.fromkeys([*(name for name in frame.columns if _is_date(frame[name])), *dates]))
    texts = [name for name in frame.columns if name not in {*named, *dated, *ages} and is_free_text(frame[name])]
    columns: dict[str, pd.Series] = {}
    days = _days(frame, dated)
    births = [name for name in dated if name not in days]
    for name in frame.columns:
        if name in named:
            columns[name] = _pseudonyms(frame[name], secret, f"{study}\0{name}")
        elif name in days:
            columns[name] = days[name]
        elif name in ages:
            columns[name] = pd.Series(np.minimum(numeric_values(frame, name), TOP_AGE), index=frame.index)
        elif name not in births and (name not in texts or free_text == "keep"):
            columns[name] = frame[name]
    safe = pd.DataFrame(columns, index=frame.index).reset_index(drop=True)
    notes = _notes(frame, named, list(days), ages, texts, free_text)
    if births:
        notes.append(f"Dates far before the others (of birth?) were left out: {listing(births, 12)}.")
    safe.attrs = {"notes": (*frame.attrs.get("notes", ()), *notes)}
    kept = {name: own for name, own in labels_of(frame).items() if name in safe.columns and name not in named}
    return with_reasons(with_labels(safe, kept), row_codes(frame, list(kept)), {})


def _secret(key: str | bytes, study: str) -> bytes:
    """Return the key as bytes."""
    secret = key.encode("utf-8") if isinstance(key, str) else key
    if not isinstance(secret, bytes) or len(secret) < SHORTEST_KEY:
        size = f"has {len(secret)} characters" if isinstance(secret, bytes) else f"is a {type(key).__name__}"
        raise DataError.build(
            f"The key {size}; it must be a text of at least {SHORTEST_KEY}.",
            hint="make one with secrets.token_hex(16) and keep it apart from the data.",
        )
    if not study.strip():
        raise DataError.build("The study has no name.", hint="pass study=; the same name gives the same pseudonyms.")
    return secret


def _pseudonyms(column: pd.Series, secret: bytes, role: str) -> pd.Series:
    """Return the pseudonym of each id, missing where there is none."""
    codes, levels = pd.factorize(as_text(column).str.strip())
    made = [hmac.new(secret, f"{role}\0{level}".encode(), hashlib.sha256).hexdigest() for level in levels]
    size = next(size for size in range(16, 65) if len({text[:size] for text in made}) == len(set(made)))
    found = np.array([text[:size] for text in made] + [None], dtype=object)
    return pd.Series(found[codes], index=column.index, dtype="str")


def _is_date(column: pd.Series) -> bool:
    """Tell whether a column holds dates."""
    return bool(pd.api.types.is_datetime64_any_dtype(column)) or pd.api.types.infer_dtype(column, skipna=True) in (
        "date",
        "datetime",
    )


def is_free_text(column: pd.Series) -> bool:
    """Tell whether a column holds text that is more than a few short categories."""
    if pd.api.types.is_numeric_dtype(column) or _is_date(column):
        return False
    cells = column.dropna().astype("str")
    if str(column.name).lower().endswith(_NAMING) or (len(cells) and cells.str.match(_DATE_LIKE).mean() > 0.5):
        return True
    return bool(cells.nunique() > _MOST_CATEGORIES or cells.str.len().max() > _LONGEST_CATEGORY)


def _days(frame: pd.DataFrame, dated: Sequence[str]) -> dict[str, pd.Series]:
    """Return each column of dates as days since the patient's first date in any of them."""
    read = {name: _read_dates(frame[name], name) for name in dated}
    early = [name for name in read if _is_early(frame, read, name)]
    read = {name: values for name, values in read.items() if name not in early}
    if not read:
        return {}
    first = pd.DataFrame(read).min(axis=1).groupby(frame["patient"]).transform("min")
    return {name: (values - first).dt.days.astype("Int64") for name, values in read.items()}


def _is_early(frame: pd.DataFrame, read: Mapping[str, pd.Series], name: str) -> bool:
    """Tell whether a column's dates lie years before a patient's other dates."""
    others = [values for other, values in read.items() if other != name]
    if not others:
        return False
    first = pd.concat(others, axis=1).min(axis=1).groupby(frame["patient"]).min()
    own = read[name].groupby(frame["patient"]).min()
    return bool(((first - own).dt.days > LONGEST_COURSE).any())


def _read_dates(column: pd.Series, name: str) -> pd.Series:
    """Return the days of dates, without time of day and zone."""
    read = pd.to_datetime(column, errors="coerce", utc=True, format=None if _is_date(column) else "ISO8601")
    n_lost = int((read.isna() & column.notna()).sum())
    if n_lost:
        raise DataError.build(
            f"{n_lost} of {int(column.notna().sum())} cells of '{name}' are no dates written like 2024-05-31.",
            hint="turn the column into dates with pandas.to_datetime first.",
        )
    return read.dt.tz_localize(None).dt.normalize()


def _notes(
    frame: pd.DataFrame,
    named: Sequence[str],
    dated: Sequence[str],
    ages: Sequence[str],
    texts: Sequence[str],
    free_text: FreeText,
) -> list[str]:
    """Return what was done, in sentences without ids."""
    notes = [f"Ids became pseudonyms (HMAC-SHA256, keyed, per study and column): {listing(named, 12)}."]
    if dated:
        notes.append(f"Dates became days since the patient's first date: {listing(list(dated), 12)}.")
    for name in ages:
        high = int((numeric_values(frame, name) > TOP_AGE).sum())
        notes.append(f"'{name}': {high} ages above {TOP_AGE} became {TOP_AGE}.")
    if texts:
        done = "left out" if free_text == "drop" else "kept, check them for names"
        notes.append(f"Columns of free text were {done}: {listing(list(texts), 12)}.")
    return notes


def suspicious_columns(frame: pd.DataFrame) -> Mapping[str, str]:
    """Return columns that may identify persons, with the reason: "free text", "date" or "name"."""
    words = (
        "name",
        "birth",
        "dob",
        "mail",
        "phone",
        "address",
        "street",
        "zip",
        "ssn",
        "geburt",
        "nachname",
        "vorname",
    )
    found: dict[str, str] = {}
    for name in frame.columns:
        if any(word in str(name).lower() for word in words):
            found[str(name)] = "name"
        elif _is_date(frame[name]):
            found[str(name)] = "date"
        elif name not in ID_COLUMNS and is_free_text(frame[name]):
            found[str(name)] = "free text"
    return found
