"""What a user says about a model of alliance and outcome beyond its columns: adjustments, random part, tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.linear import DF_METHODS, DfMethod
from alliance_stats.mixed.residuals import ResidualStructure
from alliance_stats.process.arguments import choice, column_names, require_known, truth
from alliance_stats.process.centering import Detrend, Levels, Weights
from alliance_stats.process.parts import CONF_LEVEL, quoted

Time = Literal["linear", "quadratic", "log", "none"]
PriorChange = Literal["since_intake", "last_step"]

TREND_WORDS: Mapping[str | None, str] = {
    None: "not detrended",
    "linear": "detrended",
    "quadratic": "parabola taken out",
}
"""What was done about trends, in the name of a model."""


@dataclass(frozen=True, kw_only=True)
class Adjustments:
    """What the slopes of the alliance are adjusted for.

    Use it as ``covariates=Adjustments(...)`` of `alliance_outcome`, when a list of columns does not say enough.

    Parameters
    ----------
    columns : sequence of str
        Columns that enter as they are.
    previous_outcome : bool
        The outcome of the session the alliance is taken from, as deviation from the patient's observed mean, whatever is done
        to the alliance. With ``lag=0`` there is none.
    time : {"linear", "quadratic", "log", "none"}
        Change over session numbers: a line, a parabola, the natural logarithm of the session number (which must be 1 or
        more), or nothing.
    intake : bool
        The patient's first rated outcome. Sessions up to that one are left out, as it cannot predict itself.
    prior_change : {"since_intake", "last_step"} or None
        Change of the outcome up to the session the alliance is taken from, with ``lag=0`` up to the session before that: since
        the patient's first rated outcome, or over the last step between sessions. It enters as it is, in outcome points.

    Raises
    ------
    DataError
        If an option is unknown or of the wrong type.

    Notes
    -----
    Change before the alliance was rated can raise both the alliance and the later outcome; meta-analyses therefore compare
    estimates with and without adjustment for intake severity and earlier processes (Flückiger et al., 2020, doi
    10.1037/cou0000424). With ``previous_outcome`` and ``intake`` the change since intake is determined up to the patient's
    mean, so the three together mostly describe the same adjustment.

    Examples
    --------
    >>> Adjustments(intake=True, time="log").time
    'log'
    """

    columns: Sequence[str] = ()
    previous_outcome: bool = True
    time: Time = "linear"
    intake: bool = False
    prior_change: PriorChange | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", column_names(self.columns, "columns"))
        truth(self.previous_outcome, "previous_outcome")
        truth(self.intake, "intake")
        choice(self.time, "time", get_args(Time), kind="time option")
        require_known(self.prior_change, "prior_change", get_args(PriorChange), kind="prior change")

    def __str__(self) -> str:
        named = [*self.columns, *(["outcome before"] if self.previous_outcome else [])]
        named += [f"time {self.time}"] if self.time != "none" else []
        named += ["intake"] if self.intake else []
        named += [f"change {self.prior_change.replace('_', ' ')}"] if self.prior_change else []
        return " + ".join(named) or "nothing"


@dataclass(frozen=True, kw_only=True)
class OutcomeModel:
    """The random part, the residuals, the means and the tests of a model of alliance and outcome.

    Use it as ``random=OutcomeModel(...)`` of `alliance_outcome`, when a list of groups does not say enough.

    Parameters
    ----------
    slopes : sequence of str
        Levels whose units have slopes of their own on the session part of the alliance: ``("patient",)``,
        ``("patient", "therapist")``, or ``()`` for intercepts alone.
    random : sequence of str or None
        Grouping columns, or bars as in a formula, instead of intercepts for each level and ``slopes``.
    residual : ResidualStructure or None
        For example ``ar1("session", by="patient")``; independent residuals if None.
    df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
        Degrees of freedom of tests and intervals.
    weights : {"sessions", "patients", "reliability"}
        How the means of the alliance count, as in `within_between`.
    levels : sequence of str, mapping of str to str, or None
        As in `within_between`; None for ``patient``, and ``therapist`` where the frame has two or more.

    Raises
    ------
    ModelError, DataError
        If an option is unknown, of the wrong type, or does not go with another.

    Examples
    --------
    >>> OutcomeModel(slopes=("patient", "therapist"), df="kenward_roger").df
    'kenward_roger'
    """

    slopes: Sequence[str] = ("patient",)
    random: Sequence[str] | None = None
    residual: ResidualStructure | None = None
    df: DfMethod = "satterthwaite"
    weights: Weights = "sessions"
    levels: Levels | None = None

    def __post_init__(self) -> None:
        if self.slopes is None:
            raise ModelError.build("slopes is None.", hint="pass slopes=() for random intercepts alone.")
        object.__setattr__(self, "slopes", column_names(self.slopes, "slopes"))
        if self.random is not None:
            object.__setattr__(self, "random", column_names(self.random, "random"))
        if not isinstance(self.df, str) or self.df not in DF_METHODS:
            shown = self.df if isinstance(self.df, str) else type(self.df).__name__
            raise unknown_name(ModelError, "df method", shown, DF_METHODS)
        if self.residual is not None and not isinstance(self.residual, ResidualStructure):
            raise ModelError.build(
                f"residual= takes a structure of residuals, not a value of type {type(self.residual).__name__}.",
                hint='for example residual=ar1("session", by="patient").',
            )

    def bars(self, session_part: str, levels: Mapping[str, str]) -> Sequence[str]:
        """Return the random terms for a session part."""
        if self.random is not None:
            return self.random
        unknown = [name for name in self.slopes if name not in levels]
        # The default asks for slopes by patient also where the first level is called otherwise, a dyad for example.
        if unknown and tuple(self.slopes) != ("patient",):
            raise unknown_name(ModelError, "level for slopes", unknown[0], list(levels))
        sloped = [next(iter(levels))] if unknown else list(self.slopes)
        return [
            f"(1{f' + {quoted(session_part)}' if level in sloped else ''} | {quoted(column)})"
            for level, column in levels.items()
        ]


@dataclass(frozen=True, kw_only=True)
class OutcomeQuestion:
    """One alliance, one outcome, and everything that decides the model of the two."""

    alliance: str
    outcome: str
    lag: int
    detrend: Detrend | None
    adjustments: Adjustments
    model: OutcomeModel
    level: float = CONF_LEVEL

    @property
    def label(self) -> str:
        """Name of the model in a table of several."""
        return f"{self.outcome}, {self.alliance} lag {self.lag}, {TREND_WORDS[self.detrend]}"


def as_adjustments(covariates: Sequence[str] | Adjustments) -> Adjustments:
    """Return adjustments for a list of columns."""
    if isinstance(covariates, Adjustments):
        return covariates
    return Adjustments(columns=column_names(covariates, "covariates"))


def as_model(random: Sequence[str] | OutcomeModel | None) -> OutcomeModel:
    """Return a model for a list of groups or bars."""
    return random if isinstance(random, OutcomeModel) else OutcomeModel(random=random)
