"""How an outcome changes over treatment and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd

from alliance_stats.errors import DataError, unknown_name
from alliance_stats.inference.coefficient_tests import coefficient_tests
from alliance_stats.inference.linear import DfMethod, require_level, require_method
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.arguments import column_names, truth
from alliance_stats.process.growth_estimates import baseline_sd, change_table, curve_table, observation_table
from alliance_stats.process.growth_model import OWN, BreakSearch, GrowthModel, fit_growth
from alliance_stats.process.growth_rows import growth_rows
from alliance_stats.process.growth_terms import (
    BROKEN,
    Form,
    TimeTerms,
    given_breaks,
    require_form,
    require_inside,
    require_times,
)
from alliance_stats.result import Result

Part: TypeAlias = Literal["changes", "coefficients", "curve", "break", "profile", "observations"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Growth(Result):
    """The course of an outcome over time; made by `growth`.

    Parameters
    ----------
    outcome, time : str
    form : str
    by : str or None
    groups : tuple of str
        Values of ``by``; ("all",) without it.
    level : float in (0, 1)
        Of the intervals.
    model : GrowthModel
        What the tables are made from: ``model.fit`` the mixed model by REML, ``model.data.rows`` the rows analysed (with the
        ids of the data), ``model.terms.breaks`` all breaks, ``model.given`` those that were given, ``model.profile`` the
        likelihood over an estimated break.
    """

    outcome: str
    time: str
    form: Form
    by: str | None
    groups: tuple[str, ...]
    level: float
    model: GrowthModel = field(repr=False)

    def __repr__(self) -> str:
        counted = "sessions" if self.time == "session" else "ratings"
        n_patients = self.model.data.patients(range(len(self.groups)))
        return f"Growth({self.outcome}, {self.form}, {n_patients} patients, {len(self.model.data.rows)} {counted})"

    @property
    def fit(self) -> LmmFit:
        """The mixed model, by REML."""
        return self.model.fit

    def tidy(
        self,
        part: Part = "changes",
        *,
        times: Sequence[float] | None = None,
        level: float | None = None,
        df: DfMethod = "satterthwaite",
    ) -> pd.DataFrame:
        """Return one of several tables.

        Parameters
        ----------
        part : {"changes", "coefficients", "curve", "break", "profile", "observations"}
        times : sequence of float, optional
            For changes: from each to the next and from the first to the last, in the unit of the time column; start,
            breaks and end if left out.
        level : float in (0, 1), optional
            Of the intervals; that of the result if left out.
        df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
            Degrees of freedom, see `coefficient_tests`.

        Returns
        -------
        DataFrame
            Changes: rows of four kinds. "within group": change of one group's mean. "between groups": difference between
            two groups' changes. "mean": a group's mean. "between groups at one time": difference between two means. With
            phase, from_time, to_time, rate (change per unit of time) and std_estimate, std_conf_low, std_conf_high (in
            baseline SDs). Coefficients: the fixed effects. Curve: mean and pointwise interval over time per group. Break:
            the estimated break with its likelihood-ratio interval, or the given ones. Profile: deviance by the place of
            the break. Observations: the ratings, patients as numbers.
        """
        level = self.level if level is None else level
        require_level(level)
        require_method(self.fit, df=df, robust=None, cluster=None)
        if part == "changes":
            return change_table(self.model, times, level=level, df=df)
        if part == "coefficients":
            return coefficient_tests(self.fit, df=df, level=level).tidy()
        if part == "curve":
            return curve_table(self.model, level=level, df=df)
        if part == "break":
            return _break_table(self.model, level)
        if part == "profile":
            return _profile_table(self.model)
        if part == "observations":
            return observation_table(self.model.data)
        raise unknown_name(DataError, "part", str(part), get_args(Part))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, form, counts, break with its interval, baseline SD, residual SD, state of the fit.

        A break that was given has no interval; of two breaks the later, estimated one is shown.
        """
        data, sd = self.model.data, baseline_sd(self.model.data)
        limits = None if self.model.profile is None else self.model.profile.limits(self.level)
        row: dict[str, Any] = {"outcome": self.outcome, "form": self.form, "n": len(data.rows)}
        row |= {"n_patients": data.patients(range(len(self.groups))), "n_groups": len(self.groups)}
        row |= {"break": self.model.terms.breaks[-1] if self.model.terms.breaks else float("nan")}
        row |= {"break_conf_low": limits.low if limits else float("nan")}
        row |= {"break_conf_high": limits.high if limits else float("nan"), "conf_level": self.level}
        row |= {"baseline_sd": sd.value, "sigma": self.fit.sigma, "criterion": self.fit.criterion}
        row |= {"converged": self.fit.converged, "singular": self.fit.singular, "formula": self.fit.formula}
        return pd.DataFrame([row])


def growth(
    frame: pd.DataFrame,
    outcome: str,
    *,
    form: Form,
    time: str = "session",
    by: str | None = None,
    break_at: float | Literal["estimate"] | None = None,
    random: Sequence[str] | None = None,
    level: float = 0.95,
    progress: bool = True,
) -> Growth:
    """Estimate the course of an outcome over treatment and follow-up, within groups and between them.

    Use it for the gain during treatment and its maintenance after it. Two estimands answer different questions and stand in
    rows of their own: the change within a group (what patients of this group gained, spontaneous change and regression to
    the mean included) and the difference between groups (with random allotment, what the one treatment adds to the other).
    A gain within a group may last while the difference between groups fades, and the other way round.

    Parameters
    ----------
    frame : DataFrame
        Session table with ``patient`` and the time column, one row per patient and time, of one rater.
    outcome : str
        Numeric column, in scale points.
    form : {"linear", "log", "quadratic", "piecewise", "hockey_stick"}
        Straight line; logarithm of elapsed time plus one, whose shape depends on the unit of time (see Notes); parabola; two
        lines that meet at ``break_at``; or two lines that meet at an estimated break, after a third one that ends at
        ``break_at``, the termination, if that is given.
    time : str
        Column of times, such as sessions, weeks or months, numbers in one unit.
    by : str, optional
        Column of groups to compare, such as the arm; constant within patients.
    break_at : float or "estimate", optional
        For "piecewise": the time of termination, or "estimate". For "hockey_stick": the time of termination, if the data
        begin before it; the bend is estimated after it.
    random : sequence of str, optional
        Grouping columns, each with a random intercept, or bars as in a formula over the columns of the form (elapsed,
        log_elapsed, phase_1, ...). If left out: for each patient an intercept and slopes (of elapsed time alone for a
        parabola; before and after termination for three lines), and an intercept for each therapist and dyad.
    level : float in (0, 1)
        Of the intervals, that of an estimated break included.
    progress : bool
        Show a bar on stderr while a break is estimated, when it takes longer than two seconds.

    Returns
    -------
    Growth
        ``tidy()`` has the changes, ``tidy("break")`` and ``glance()`` the break with its interval, ``tidy("coefficients")`` the
        model's coefficients.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If the form is unknown, there are too few different times for it, a break lies outside them, each patient has one
        rating, the outcome does not vary, or not within patients, several raters are mixed, a patient and time occur twice, a
        value is infinite, groups change within patients, or the courses are exactly of the form, so that nothing is left over.
    ModelError, ConvergenceError
        If the data cannot identify the model, no optimum was found, or ``level`` is no level.

    See Also
    --------
    early_response, marginal_means, reliable_change

    Notes
    -----
    Elapsed time t counts from the earliest time in the data. Each group has a course of its own; variances are common.
    Standardised estimates are divided by the SD of the outcome at the earliest time, pooled within groups: for a straight
    line the difference of slopes times the duration over the baseline SD (Feingold, 2009). Their intervals take that SD
    as known. Missing ratings: all rows with a rating are used, which is right if they are missing at random given the
    patient's other ratings.

    The logarithmic form is b log(t + 1) with t in the unit of the time column, and the 1 is one such unit: the same ratings
    over days and over weeks get different curves, fits and changes, not one curve in two units. Sessions are the usual unit;
    report it, and compare units by ``glance()["criterion"]``. All other forms give the same course in any unit.

    An estimated break is common to all groups and maximises the likelihood (ML), between the second and the last but one
    time (after a given break: from the first to the last but one). Its interval holds the breaks whose deviance exceeds
    the lowest by less than the chi-squared quantile with one df. The likelihood has corners at the times of measurement and
    may have several minima, so that this holds only approximately, and badly if slopes hardly change; whether there is a
    break at all cannot be tested with chi-squared tables (Davies, 1987). Standard errors of changes hold the
    uncertainty of the break to first order, by a column for the derivative of the mean by the break (Muggeo, 2003). The
    mean at a fixed time beside the true break is biased towards the inside of the bend, by at most the change in slope times
    the break's error; changes to and from the estimated break are not.

    References
    ----------
    Feingold, A. (2009). Effect sizes for growth-modeling analysis for controlled clinical trials in the same metric as for
    classical analysis. Psychological Methods, 14, 43-53. doi 10.1037/a0014699.
    Davies, R. B. (1987). Hypothesis testing when a nuisance parameter is present only under the alternative. Biometrika, 74,
    33-43. doi 10.1093/biomet/74.1.33.
    Muggeo, V. M. R. (2003). Estimating regression models with unknown break-points. Statistics in Medicine, 22, 3055-3071.
    doi 10.1002/sim.1545.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "ors", items="ors_{}").query("session <= 8")
    >>> result = al.growth(sessions, "ors_sum", form="linear")
    >>> change = result.tidy().query("kind == 'within group'")
    >>> print(change[["term", "estimate", "conf_low", "conf_high", "std_estimate"]].round(2).to_string(index=False))
                  term  estimate  conf_low  conf_high  std_estimate
    change from 1 to 8      2.68      2.27       3.09          0.49
    """
    require_form(form)
    require_level(level)
    search = BreakSearch(level, truth(progress, "progress"))
    given, estimate = given_breaks(form, break_at)
    bars = None if random is None else column_names(random, "random")
    data = growth_rows(frame, outcome, time=time, by=by, taken=OWN)
    require_times(form, data.times, estimated=estimate, time=time)
    require_inside(given, data.times, time=time, estimated=estimate)
    terms = TimeTerms(form, float(data.times.min()), given)
    model = fit_growth(data, terms, search=search if estimate else None, random=bars)
    return Growth(
        outcome=outcome,
        time=time,
        form=form,
        by=by,
        groups=data.groups,
        level=float(level),
        model=model,
        notes=tuple(_notes(model, float(level))),
    )


def _break_table(model: GrowthModel, level: float) -> pd.DataFrame:
    """Return one row per break."""
    base = {
        "outcome": model.data.outcome,
        "group": "all groups",
        "n": model.data.patients(range(len(model.data.groups))),
    }
    rows: list[dict[str, Any]] = [base | {"term": "break", "kind": "given", "estimate": value} for value in model.given]
    if model.profile is not None:
        limits = model.profile.limits(level)
        found = {"estimate": model.profile.estimate, "conf_low": limits.low, "conf_high": limits.high}
        reached = {"low_reached": limits.low_reached, "high_reached": limits.high_reached}
        rows.append(
            base
            | {"term": "break", "kind": "likelihood ratio", "conf_level": level, "connected": limits.connected}
            | found
            | reached
        )
    columns = ["outcome", "term", "group", "kind", "estimate", "conf_low", "conf_high", "conf_level", "n"]
    return pd.DataFrame(rows, columns=[*columns, "low_reached", "high_reached", "connected"])


def _profile_table(model: GrowthModel) -> pd.DataFrame:
    """Return the deviance by the place of the break, one row per break tried."""
    if model.profile is None:
        return pd.DataFrame({"term": [], "value": [], "deviance": []})
    return pd.DataFrame({"term": "break", "value": model.profile.tried, "deviance": model.profile.height})


def _notes(model: GrowthModel, level: float) -> list[str]:
    """Return estimands, model, tests, time, standardiser, break, rows."""
    data = model.data
    per_group = ", ".join(f"{data.patients([g])} in '{name}'" for g, name in enumerate(data.groups))
    count = f" ({per_group})" if data.by else ""
    notes = [
        "Estimands: 'within group' is the change of a group's mean over time, whatever its cause; "
        + (
            "'between groups' is the difference between the changes of two groups, and 'between groups at one time' between "
            "their means: effects of treatment only if patients were allotted at random."
            if data.by
            else "without a comparison group it is not an effect of treatment."
        ),
        f"Model: {model.fit.formula}; REML.",
        f"Intervals ({100 * level:g}%) and p values: Wald tests with Satterthwaite's degrees of freedom (df method: "
        "satterthwaite), unless tidy(df=...) asks for others.",
        f"Time: {data.time} from {model.terms.origin:g} to {model.last:g}; elapsed time counts from {model.terms.origin:g}.",
        f"N: {len(data.rows)} ratings of {data.patients(range(len(data.groups)))} patients{count}.",
        data.account(),
        *data.notes,
        *_log_notes(model),
        _standardiser(model),
        *_break_notes(model, level),
    ]
    if model.fit.dropped:
        notes.append(f"Left out because other terms determine them: {', '.join(model.fit.dropped)}.")
    if model.fit.singular:
        notes.append("The fit is singular: a random variance is zero or a random correlation is 1 or -1; it was kept.")
    return notes


def _log_notes(model: GrowthModel) -> list[str]:
    """Return that a logarithm of time is a curve of its own in each unit."""
    if model.terms.form != "log":
        return []
    return [
        f"The course is a line over log(elapsed + 1) in the unit of {model.data.time}: in another unit of time (days for weeks) "
        "it is another curve, with other changes and another fit."
    ]


def _standardiser(model: GrowthModel) -> str:
    """Return what standardised estimates are divided by."""
    sd = baseline_sd(model.data)
    if not sd.value > 0:
        return f"No standardised estimates: {sd.n} ratings at the earliest time have no SD within groups."
    return (
        f"Standardised estimates are divided by {sd.value:.4g}, the SD of {model.data.outcome} at {model.data.time} "
        f"{model.terms.origin:g} pooled within groups ({sd.n} ratings); their intervals take it as known (Feingold, 2009)."
    )


def _break_notes(model: GrowthModel, level: float) -> list[str]:
    """Return how the break was found and what its interval can be trusted for."""
    if model.terms.form not in BROKEN:
        return [
            "No break: gain during treatment and maintenance after it share one curve; form='piecewise' parts them."
        ]
    if model.profile is None:
        return [f"The line bends at {model.data.time} {model.given[0]:g}, as given."]
    limits, first, last = model.profile.limits(level), model.profile.tried[0], model.profile.tried[-1]
    interval = f"{100 * level:g}% interval"
    notes = [
        *(f"The line bends at {model.data.time} {value:g}, as given, and once more after it." for value in model.given),
        f"The break, {model.profile.estimate:.4g} ({interval} {limits.low:.4g} to {limits.high:.4g}; tidy('break')), is common "
        f"to all groups and estimated by ML between {first:g} and {last:g}.",
        "Standard errors of changes hold the uncertainty of the break to first order. With random slopes by phase, patients' "
        "courses bend at the same place.",
        "The interval of the break is by likelihood ratio; the likelihood has corners at the times of measurement, so it "
        "holds approximately, and badly if the slope hardly changes. Chi-squared tables do not test whether there is a break.",
    ]
    if not (limits.low_reached and limits.high_reached):
        notes.append(f"The {interval} of the break ends where the search ended: these data do not bound it.")
    if not limits.connected:
        notes.append("Between the limits of the break lie values that the likelihood excludes: it has several minima.")
    return notes
