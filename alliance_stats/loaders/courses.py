"""One course of treatment as the unit within which 'the session before' exists."""

from __future__ import annotations

import pandas as pd

from alliance_stats.columns import group_codes, nested_within, require_columns, require_unique_sessions
from alliance_stats.errors import ColumnError, DataError
from alliance_stats.loaders.map_values import ColumnMap


def course_table(column_map: ColumnMap, frame: pd.DataFrame) -> pd.DataFrame:
    """Make the course of treatment the unit that is called 'patient'.

    Use it before a lagged analysis (`alliance_outcome`) of data in which a person was treated more than once: the
    session before exists within a course, not across courses. Without ``course`` in the column map each patient has
    one course, and only the therapist is set aside (as ``treating_person``) unless therapists are among the units.

    Parameters
    ----------
    column_map : ColumnMap
        Its ``course`` names the column of the courses, its ``units`` the levels by which predictors are split.
    frame : DataFrame
        Session table as `read_study_data` returns it, with or without scores; it is not changed.

    Returns
    -------
    DataFrame
        A copy with the same rows in the same order. With a course, ``patient`` holds the course, ``treated_person``
        the person, and ``therapist`` is called ``treating_person`` unless the therapist is among the units: a level
        of therapists must not be split off where persons and therapists are crossed. A note in ``attrs["notes"]`` says
        so, with the numbers of courses, persons and therapists.

    Raises
    ------
    ColumnError
        If ``patient``, ``session`` or the column of the courses is missing, or a column to be added exists already.
    DataError
        If a row has no course, a course belongs to several persons, or a course has a session twice.

    See Also
    --------
    alliance_outcome : Alliance and later outcome.

    Notes
    -----
    Courses of the same person are then units of their own: what is between them is the difference between courses, and
    what stays with the person is not modelled unless ``treated_person`` gets a random intercept.

    Examples
    --------
    >>> import pandas as pd
    >>> from dataclasses import replace
    >>> from alliance_stats import course_table, read_column_map
    >>> column_map = replace(read_column_map("therapist_statements"), course="course")
    >>> visits = pd.DataFrame({"patient": [1, 1, 1], "session": [1, 2, 1], "course": ["a", "a", "b"]})
    >>> course_table(column_map, visits)[["patient", "session", "treated_person"]].values.tolist()
    [['a', 1, 1], ['a', 2, 1], ['b', 1, 1]]
    """
    aside = {}
    if "therapist" in frame.columns and "therapist" not in column_map.units:
        aside["therapist"] = "treating_person"
    if column_map.course is None:
        return _without_therapist_part(frame, aside)
    course = _course_column(column_map, frame)
    _check_courses(frame, course)
    aside["patient"] = "treated_person"
    taken = [name for name in aside.values() if name in frame.columns]
    if taken:
        raise ColumnError.build(
            f"The frame has a column '{taken[0]}' already.",
            hint="pass the table of read_study_data(), not one that course_table() returned, or rename the column.",
        )
    note = _note(frame, course, column_map.course, moved="therapist" in aside)
    table = frame.rename(columns=aside)
    table.insert(0, "patient", frame[course])
    require_unique_sessions(table, ["patient", "session"])
    table.attrs = {**frame.attrs, "notes": (*frame.attrs.get("notes", ()), note)}
    return table


def _without_therapist_part(frame: pd.DataFrame, aside: dict[str, str]) -> pd.DataFrame:
    """Return the table with the therapist renamed when therapists are not among the units."""
    table = frame.rename(columns=aside)
    if aside:
        note = "There is no therapist part: therapists (treating_person) are not among the units of the column map."
        table.attrs = {**frame.attrs, "notes": (*frame.attrs.get("notes", ()), note)}
    return table


def _course_column(column_map: ColumnMap, frame: pd.DataFrame) -> str:
    """Return the column of the courses by the name it has in the frame."""
    canonical = {column: name for name, column in column_map.columns.items()}
    course = canonical.get(str(column_map.course), str(column_map.course))
    require_columns(frame, ["patient", "session", course], hint="correct 'course' under [levels] in the column map.")
    return course


def _check_courses(frame: pd.DataFrame, course: str) -> None:
    """Raise a DataError if rows have no course, or courses several persons."""
    courses, _ = group_codes(frame, course)
    unknown = int((courses < 0).sum())
    if unknown:
        raise DataError.build(
            f"{unknown} of {len(frame)} rows have no '{course}', so their course of treatment is unknown.",
            hint="fill in the column, or leave those rows out.",
        )
    if not nested_within(courses, group_codes(frame, "patient")[0]):
        raise DataError.build(
            f"'{course}' has values that belong to several persons.",
            hint="a course of treatment has one person; if courses are numbered anew for each person, make a column "
            "that joins person and number.",
        )


def _note(frame: pd.DataFrame, course: str, label: str, *, moved: bool) -> str:
    """Return the sentence on what became the unit, with counts."""
    n_courses, n_persons = group_codes(frame, course)[1], group_codes(frame, "patient")[1]
    parts = [f"{n_courses} courses", f"{n_persons} persons (treated_person)"]
    said = ""
    if "therapist" in frame.columns:
        n_therapists = group_codes(frame, "therapist")[1]
        parts.append(f"{n_therapists} therapists{' (treating_person)' if moved else ''}")
        if moved:
            said = (
                " There is no therapist part: predictors are split by course, and therapists are not among the units."
            )
    return (
        f"A course of treatment ('{label}') is the unit called patient, because the session before exists within it "
        f"only: {', '.join(parts)}.{said}"
    )
