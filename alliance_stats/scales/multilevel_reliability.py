"""Reliability of sessions within patients within therapists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.errors import DataError
from alliance_stats.result import Result
from alliance_stats.scales.answers import Items
from alliance_stats.scales.cluster_icc import ClusterIcc, cluster_icc
from alliance_stats.scales.facet_components import (
    Components,
    Effect,
    draw_answers,
    estimate_components,
    nested_components,
    with_parents,
)
from alliance_stats.scales.generalizability import FacetData, Generalizability, component_notes, facet_data
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.session_coefficients import Coefficient, crossed_coefficients, nested_coefficients

Sessions: TypeAlias = Literal["crossed", "nested"]


@dataclass(frozen=True, kw_only=True)
class MultilevelReliability(Result):
    """Generalizability coefficients of session ratings; made by `multilevel_reliability`.

    Parameters
    ----------
    coefficients : tuple of Coefficient
    draws : ndarray, shape (n_bootstrap, n_coefficients)
    icc : ClusterIcc
        Of the mean of the items, sessions within patients.
    study : Generalizability
        Variance components; pass it to `dependability`.
    """

    coefficients: tuple[Coefficient, ...]
    draws: FloatArray
    icc: ClusterIcc
    study: Generalizability

    def tidy(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return the coefficients.

        Parameters
        ----------
        level : float in (0, 1)
            Coverage of the intervals.

        Returns
        -------
        DataFrame
            One row per coefficient: term (R1F, RKF, R1R, RKR, RC; or R1RN, RKRN, RCN; RT for therapists; icc1, icc2), level
            (what is told apart: patients, sessions or therapists), estimate, conf_low, conf_high, conf_level, n (levels of it),
            meaning.
        """
        if not 0 < level < 1:
            raise DataError.build(
                f"level = {level} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval."
            )
        tail = (1 - level) / 2
        if len(self.draws):
            low, high = np.nanquantile(self.draws, [tail, 1 - tail], axis=0)
        else:
            low = high = np.full(len(self.coefficients), np.nan)
        rows = [
            {
                "term": c.term,
                "level": c.level,
                "estimate": c.value,
                "conf_low": lo,
                "conf_high": hi,
                "n": c.n,
                "meaning": c.meaning,
            }
            for c, lo, hi in zip(self.coefficients, low, high, strict=True)
        ]
        for term, value, (lo, hi), meaning in self.icc.rows(level):
            head = {"term": term, "level": "patients", "estimate": value, "conf_low": lo, "conf_high": hi}
            rows.append({**head, "n": self.icc.n_clusters, "meaning": meaning})
        table = pd.DataFrame(rows)
        table["conf_level"] = level
        return table[["term", "level", "estimate", "conf_low", "conf_high", "conf_level", "n", "meaning"]]

    def variance_components(self) -> pd.DataFrame:
        """Return one row per effect: term, kind, estimate (squared points), share."""
        return self.study.tidy()

    def glance(self) -> pd.DataFrame:
        """Return one row: n (rows), mean numbers of conditions, n_bootstrap."""
        return self.study.glance().assign(n_bootstrap=len(self.draws))


def multilevel_reliability(
    frame: pd.DataFrame,
    items: Items,
    *,
    sessions: Sessions = "crossed",
    n_sessions: int | None = None,
    n_bootstrap: int = 0,
    seed: int | None = None,
    progress: bool = True,
) -> MultilevelReliability:
    """Compute how reliably ratings tell patients, sessions and therapists apart.

    Use it for items answered in every session. RKF and RKR answer for differences between patients' means, R1F and R1R for those
    in one session, RC for changes from session to session within a patient, which alpha over pooled sessions does not tell.
    With a column 'therapist' patients are nested in therapists and RT answers for differences between therapists' means.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session, with columns 'patient' and 'session', and 'therapist' if there are any.
    items : str, sequence of str, or mapping of int to str
        At least 2 item columns, as in `score`; reverse-keyed items already reversed.
    sessions : {"crossed", "nested"}
        Whether session 3 means the same for all patients (Cranford et al.), or sessions are occasions of their patient only,
        with items as parallel measures (Shrout & Lane's nested coefficients).
    n_sessions : int, optional
        Sessions in the means that RKF, RKR and RKRN are about; the mean number per patient if left out (psych::mlr takes the
        largest).
    n_bootstrap : int
        Parametric bootstrap samples for intervals; 0 for none.
    seed : int, optional
        Needed with ``n_bootstrap``.
    progress : bool
        Show a progress bar.

    Returns
    -------
    MultilevelReliability

    Raises
    ------
    ColumnError
        If a column is missing or holds text.
    DataError
        If there are fewer than 2 items, patients have one session each, or two rows are of the same patient and session.

    See Also
    --------
    dependability, generalizability, multilevel_omega

    Notes
    -----
    With m items, K sessions and variances of persons p, sessions t, items i and residual e: between = p + pi / m;
    R1F = between / (between + e / m); RKF = between / (between + e / (K m)); R1R = between / (between + t + pt + e / m);
    RKR = between / (between + (t + pt) / K + e / (K m)); RC = pt / (pt + e / m). With therapists, p, pi and pt hold both
    therapists' and their patients' parts. Nested: RKRN = p / (p + t(p) / K + e / (K m)), R1RN the same with K = 1,
    RCN = t(p) / (t(p) + e / m). RT = (th + th.i / m) / (the same + (p + pi / m) / P + (pt + e / m) / (P K) + t / K) for P
    patients per therapist; therapists are taken to have no session effects of their own (no th.t). icc1 and icc2 are those
    of the mean of the items by analysis of variance, with n0 = (N - sum n_j^2 / N) / (J - 1) for unequal numbers of sessions.

    References
    ----------
    Cranford, J. A., Shrout, P. E., Iida, M., Rafaeli, E., Yip, T., & Bolger, N. (2006). Personality and Social Psychology
    Bulletin, 32, 917-929. https://doi.org/10.1177/0146167206287721

    Shrout, P. E., & Lane, S. P. (2012). Psychometrics. In M. R. Mehl & T. S. Conner (Eds.), Handbook of research methods for
    studying daily life (pp. 302-320). Guilford.

    Examples
    --------
    >>> import alliance_stats as al
    >>> ratings = al.load_sample("therapist_statements").query("session <= 3")
    >>> found = al.multilevel_reliability(ratings, "wai_{}")
    >>> found.tidy().set_index("term").loc[["R1F", "RKF", "RC"], "estimate"].round(2).to_dict()
    {'R1F': 0.91, 'RKF': 0.97, 'RC': 0.79}
    """
    _require_sensible(sessions, n_sessions, n_bootstrap, seed)
    require_columns(frame, ["patient", "session"])
    data = _data(frame, items, crossed=sessions == "crossed")
    found = _components(data, data.answers, sessions, joint=True)
    study = _study(data, found)
    counts = {**study.counts, "session": study.counts["session"] if n_sessions is None else float(n_sessions)}
    sizes = {name: int(codes.max()) + 1 for name, codes in data.codes.items()}
    sizes["session"] = len(data.answers)
    formula = crossed_coefficients if sessions == "crossed" else nested_coefficients
    coefficients = formula(found.variances, counts=counts, sizes=sizes)
    draws = np.empty((0, len(coefficients)))
    if n_bootstrap:
        draws = np.empty((n_bootstrap, len(coefficients)))
        for at, drawn in enumerate(_drawn(data, found.variances, n_bootstrap, int(seed or 0), progress=progress)):
            again = _components(data, drawn, sessions, joint=False).variances
            draws[at] = [c.value for c in formula(again, counts=counts, sizes=sizes)]
    return MultilevelReliability(
        coefficients=coefficients,
        draws=draws,
        icc=cluster_icc(data.answers.mean(axis=1), data.codes["patient"]),
        study=study,
        notes=(*component_notes(data, found), *_notes(sessions, counts, n_bootstrap, seed)),
    )


def _require_sensible(sessions: str, n_sessions: int | None, n_bootstrap: int, seed: int | None) -> None:
    """Raise if the options make no sense."""
    if sessions not in ("crossed", "nested"):
        raise DataError.build(f"No sessions='{sessions}'.", hint="use 'crossed' or 'nested'.")
    if n_sessions is not None and n_sessions < 1:
        raise DataError.build(f"n_sessions = {n_sessions}.", hint="use a number of sessions, at least 1.")
    if n_bootstrap < 0 or (n_bootstrap and seed is None):
        raise DataError.build(
            f"n_bootstrap = {n_bootstrap} with seed = {seed}.", hint="give a positive number of samples and a seed."
        )


def _data(frame: pd.DataFrame, items: Items, *, crossed: bool) -> FacetData:
    """Return the answers with their patients, sessions and therapists, in an order that ids and rows do not decide."""
    nested = {} if crossed else {"session": "patient"}
    if "therapist" in frame.columns:
        nested["patient"] = "therapist"
    data = facet_data(frame, items, objects="patient", facets=["session"], nested=nested)
    if data.answers.shape[1] < 2:
        raise DataError.build(
            "1 item.", hint="reliability over items needs at least two; for a score use generalizability()."
        )
    return data


THERAPIST_BY_SESSION: Effect = frozenset({"therapist", "session"})


def _components(data: FacetData, answers: FloatArray, sessions: Sessions, *, joint: bool) -> Components:
    """Return the variance components of answers in these sessions."""
    if sessions == "nested":
        return nested_components(answers, data.codes, data.nested)
    return estimate_components(answers, data.codes, data.nested, without=[THERAPIST_BY_SESSION], joint=joint)


def _study(data: FacetData, found: Components) -> Generalizability:
    """Return the components as a result of their own."""
    measured = with_parents(["patient"], data.nested)
    facets = ("session", "item")
    return Generalizability(
        components=found.variances,
        objects=measured,
        facets=facets,
        nested=dict(data.nested),
        counts={
            **data.mean_counts(measured, facets),
            **(data.mean_counts(frozenset({"therapist"}), ["patient"]) if "therapist" in measured else {}),
        },
        n=len(data.answers),
        notes=tuple(component_notes(data, found)),
    )


def _drawn(
    data: FacetData, components: Mapping[Effect, float], n_bootstrap: int, seed: int, *, progress: bool
) -> Iterator[FloatArray]:
    """Yield answers drawn from the components, shape (n_rows, k)."""
    from tqdm import tqdm

    children = np.random.SeedSequence(seed).spawn(n_bootstrap)
    for child in tqdm(children, desc="bootstrap", disable=not progress):
        yield draw_answers(components, data.codes, data.answers.shape[1], np.random.default_rng(child))


def _notes(sessions: str, counts: Mapping[str, float], n_bootstrap: int, seed: int | None) -> list[str]:
    """Return what a reader must know of the coefficients."""
    cross = (
        "sessions cross patients" if sessions == "crossed" else "sessions are nested in patients, items are parallel"
    )
    notes = [
        f"Coefficients for {counts['item']:g} items and {counts['session']:.4g} sessions; {cross}.",
        "icc1 and icc2: mean of the items, sessions within patients, one-way analysis of variance; F intervals, approximate if "
        "numbers of sessions differ.",
    ]
    if "patient" in counts:
        notes.append(
            f"Differences between patients hold those between therapists; RT is for {counts['patient']:.4g} patients per "
            "therapist."
        )
    if n_bootstrap:
        notes.append(
            f"Percentile intervals from {n_bootstrap} parametric bootstrap samples, seed {seed}; components that come out "
            "negative in a sample are set to zero there."
        )
    else:
        notes.append("No intervals of the generalizability coefficients without n_bootstrap.")
    return notes
