"""Residual structures: what a user says about how residuals vary and hang together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from alliance_stats.errors import ModelError, unknown_name

CorrelationKind: TypeAlias = Literal["ar1", "car1", "compound_symmetry"]

KINDS: tuple[CorrelationKind, ...] = ("ar1", "car1", "compound_symmetry")


@dataclass(frozen=True)
class ResidualCorrelation:
    """How residuals of one block hang together; blocks are independent of each other.

    Parameters
    ----------
    kind : {"ar1", "car1", "compound_symmetry"}
    by : tuple of str
        Columns that together name a block.
    time : str
        Column with the order or the time of a row; empty for compound symmetry.
    """

    kind: CorrelationKind
    by: tuple[str, ...]
    time: str = ""

    def __str__(self) -> str:
        order = f"{self.time} | " if self.time else ""
        return f"{self.kind}({order}{':'.join(self.by)})"


@dataclass(frozen=True)
class ResidualStructure:
    """Variances and correlations of residuals; made by `ar1`, `car1`, `compound_symmetry` and `variance_by`, joined by ``+``.

    Parameters
    ----------
    correlation : ResidualCorrelation, optional
    variance_by : tuple of str
        Columns whose combinations have residual variances of their own; empty for one variance.
    """

    correlation: ResidualCorrelation | None = None
    variance_by: tuple[str, ...] = ()

    def __add__(self, other: ResidualStructure) -> ResidualStructure:
        """Return the structure with the variances of one and the correlation of the other."""
        if not isinstance(other, ResidualStructure):
            return NotImplemented
        if (self.correlation and other.correlation) or (self.variance_by and other.variance_by):
            what = "correlations" if self.correlation and other.correlation else "variance structures"
            raise ModelError.build(
                f"Two residual {what} cannot be joined: {self} + {other}.",
                hint="join one of variance_by() with one of ar1(), car1() or compound_symmetry(); for variances by two columns "
                'write variance_by("role:phase").',
            )
        return ResidualStructure(self.correlation or other.correlation, self.variance_by or other.variance_by)

    def __str__(self) -> str:
        variance = f"variance_by({':'.join(self.variance_by)})" if self.variance_by else ""
        return " + ".join(part for part in (variance, str(self.correlation or "")) if part)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the data that the structure needs, each once."""
        own = self.correlation
        names = [*self.variance_by, *((*own.by, *([own.time] if own.time else [])) if own else ())]
        return tuple(dict.fromkeys(names))

    def to_dict(self) -> dict[str, Any]:
        """Return the structure as plain values, ready for JSON."""
        own = self.correlation
        correlation = {"kind": own.kind, "by": list(own.by), "time": own.time} if own else None
        return {"variance_by": list(self.variance_by), "correlation": correlation}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ResidualStructure:
        """Return the structure that `to_dict` gave."""
        own = stored["correlation"]
        correlation = None
        if own:
            known: dict[str, CorrelationKind] = {kind: kind for kind in KINDS}
            if own["kind"] not in known:
                raise unknown_name(ModelError, "residual correlation", str(own["kind"]), KINDS)
            correlation = ResidualCorrelation(known[own["kind"]], tuple(own["by"]), str(own["time"]))
        return cls(correlation, tuple(stored["variance_by"]))


def ar1(time: str, *, by: str | Sequence[str]) -> ResidualStructure:
    """Let residuals follow a first-order autoregression by session number.

    Use it when sessions are numbered and about equally far apart. Residuals of one block d sessions apart correlate with
    rho^d; sessions that are missing count as passed. The estimand of a fixed effect does not change; its standard error does,
    and in short series often the estimate too.

    Parameters
    ----------
    time : str
        Column of whole numbers, such as ``"session"``; no number twice within a block.
    by : str or sequence of str
        Column, or columns (``"dyad:role"`` or a list), that name the blocks within which residuals correlate, such as
        ``"patient"``. A block must lie within one level of every grouping factor of the model.

    Returns
    -------
    ResidualStructure
        For ``lmm(..., residual=...)``; may be joined with `variance_by` by ``+``.

    See Also
    --------
    car1, compound_symmetry, variance_by

    Notes
    -----
    rho lies between -1 and 1. With ``(1 | patient)`` the random intercept carries what stays, rho what fades; two sessions
    per patient cannot tell them apart.

    References
    ----------
    Pinheiro, J. C., & Bates, D. M. (2000). Mixed-effects models in S and S-PLUS, section 5.3. Springer.
    doi 10.1007/b98882.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements")
    >>> fit = al.lmm("wai_1 ~ session + (1 | therapist)", sessions, residual=al.ar1("session", by="patient"))
    >>> fit.residual.estimates.round(2)
    array([0.38])
    """
    return ResidualStructure(ResidualCorrelation("ar1", _names(by, "by"), _names([time], "time")[0]))


def car1(time: str, *, by: str | Sequence[str]) -> ResidualStructure:
    """Let residuals follow a continuous-time autoregression by date.

    Use it when the time between sessions varies. Residuals of one block that lie d units of time apart correlate with rho^d,
    with rho between 0 and 1.

    Parameters
    ----------
    time : str
        Column of numbers, or of dates (then the unit is a day); no time twice within a block.
    by : str or sequence of str
        Column, or columns, that name the blocks within which residuals correlate, such as ``"patient"``.

    Returns
    -------
    ResidualStructure
        For ``lmm(..., residual=...)``; may be joined with `variance_by` by ``+``.

    See Also
    --------
    ar1

    Notes
    -----
    rho is the correlation across one unit of ``time``: 0.9 per day is 0.48 per week. Residuals that alternate cannot be
    described; rho is then estimated at zero.

    References
    ----------
    Jones, R. H., & Boadi-Boateng, F. (1991). Unequally spaced longitudinal data with AR(1) serial correlation. Biometrics,
    47, 161-175. doi 10.2307/2532504.

    Examples
    --------
    >>> from alliance_stats import car1
    >>> str(car1("days", by="patient"))
    'car1(days | patient)'
    """
    return ResidualStructure(ResidualCorrelation("car1", _names(by, "by"), _names([time], "time")[0]))


def compound_symmetry(*, by: str | Sequence[str]) -> ResidualStructure:
    """Let all residuals of one block correlate alike.

    Use it for the members of a dyad at one occasion, when their residuals may also differ more than chance: unlike the
    variance of a random intercept, the correlation may be negative.

    Parameters
    ----------
    by : str or sequence of str
        Column, or columns (``"dyad:session"`` or a list), that name the blocks. A block must lie within one level of every
        grouping factor of the model.

    Returns
    -------
    ResidualStructure
        For ``lmm(..., residual=...)``; may be joined with `variance_by` by ``+``.

    See Also
    --------
    variance_by

    Notes
    -----
    In blocks of up to m rows the correlation lies between -1 / (m - 1) and 1.

    References
    ----------
    Kenny, D. A., Kashy, D. A., & Cook, W. L. (2006). Dyadic data analysis, chapter 4. Guilford Press.

    Examples
    --------
    >>> from alliance_stats import compound_symmetry, variance_by
    >>> str(variance_by("role") + compound_symmetry(by="dyad:session"))
    'variance_by(role) + compound_symmetry(dyad:session)'
    """
    return ResidualStructure(ResidualCorrelation("compound_symmetry", _names(by, "by")))


def variance_by(by: str | Sequence[str]) -> ResidualStructure:
    """Give each group of rows a residual variance of its own.

    Use it when partners, raters or phases differ in how much their ratings scatter. sigma is then the residual SD of the first
    group in sorted order; the others are reported as ratios to it.

    Parameters
    ----------
    by : str or sequence of str
        Column, or columns (``"role:phase"`` or a list), whose levels have variances of their own; up to 12 levels.

    Returns
    -------
    ResidualStructure
        For ``lmm(..., residual=...)``; may be joined with `ar1`, `car1` or `compound_symmetry` by ``+``.

    See Also
    --------
    compound_symmetry

    Notes
    -----
    A row's residual variance is sigma squared times the squared ratio of its group, divided by its weight if there are
    weights.

    References
    ----------
    Pinheiro, J. C., & Bates, D. M. (2000). Mixed-effects models in S and S-PLUS, section 5.2. Springer.
    doi 10.1007/b98882.

    Examples
    --------
    >>> from alliance_stats import ar1, variance_by
    >>> str(variance_by("role") + ar1("session", by=["dyad", "role"]))
    'variance_by(role) + ar1(session | dyad:role)'
    """
    return ResidualStructure(variance_by=_names(by, "by"))


def require_structure(residual: object) -> None:
    """Raise a ModelError if ``residual`` is neither None nor a residual structure."""
    if residual is not None and not (isinstance(residual, ResidualStructure) and residual.columns):
        raise ModelError.build(
            f"residual= takes a residual structure; this is a {type(residual).__name__}.",
            hint='make one with ar1("session", by="patient"), car1(), compound_symmetry() or variance_by(); join two with +.',
        )


def _names(by: str | Sequence[str], parameter: str) -> tuple[str, ...]:
    """Return the column names in ``"a:b"`` or a sequence, each once."""
    names = by.split(":") if isinstance(by, str) else list(by)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ModelError.build(
            f"{parameter}= needs the name of a column, or several; it got {len(names)} names.",
            hint=f'write for example {parameter}="{"session" if parameter == "time" else "patient"}".',
        )
    return tuple(dict.fromkeys(name.strip() for name in names))
