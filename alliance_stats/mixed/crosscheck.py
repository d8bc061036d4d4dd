"""Checking a fit against other engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.mixed.crosscheck_lme4 import fit_lme4
from alliance_stats.mixed.crosscheck_quantities import CRITERION, OtherFit, Quantity, quantities_of
from alliance_stats.mixed.crosscheck_statsmodels import fit_statsmodels
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.result import Result

Engine: TypeAlias = Literal["statsmodels", "lme4"]

ENGINES: tuple[Engine, ...] = ("statsmodels", "lme4")

_COLUMNS = ["term", "term2", "group", "estimate", "engine", "quantity", "other", "difference", "tolerance", "agrees"]


@dataclass(frozen=True, kw_only=True)
class CrossCheck(Result):
    """A fit beside the same model fitted by other engines; made by `cross_check`.

    Parameters
    ----------
    table : DataFrame
        One row per engine and quantity: term, term2, group, estimate (of the fit that is checked), engine, quantity, other (of
        the other engine), difference (estimate minus other), tolerance and agrees (absolute difference within tolerance).
    outcome : str
        Name of the outcome.
    method : str
        "REML" or "ML".
    n_obs : int
        Rows used.
    skipped : tuple of str
        Engines that were asked for and gave nothing to compare; the notes say why.
    """

    table: pd.DataFrame = field(repr=False)
    outcome: str
    method: str
    n_obs: int
    skipped: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether at least one engine was compared, and every quantity lies within its tolerance."""
        return bool(len(self.table)) and bool(self.table["agrees"].all())

    def tidy(self) -> pd.DataFrame:
        """Return one row per engine and quantity, in the units of the quantity."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: sizes, engines compared, quantities that agree, the largest difference in tolerances."""
        table = self.table
        compared = list(dict.fromkeys(table["engine"]))
        ratios = (table["difference"].abs() / table["tolerance"]).to_numpy(dtype=float)
        row = {
            "outcome": self.outcome,
            "method": self.method,
            "n": self.n_obs,
            "engines": ", ".join(compared),
            "skipped": ", ".join(self.skipped),
            "n_quantities": len(table),
            "n_agree": int(table["agrees"].sum()),
            "largest_ratio": float(np.max(ratios)) if ratios.size else np.nan,
            "agrees": self.agrees,
        }
        return pd.DataFrame([row])


def cross_check(
    fit: LmmFit, *, engines: Sequence[Engine] = ENGINES, tolerance: float = 1e-3, timeout: float = 300.0
) -> CrossCheck:
    """Fit the same model with other engines to see whether the numbers agree.

    Use it once per analysis before numbers are published, or whenever a result looks odd. The estimates of interest are the
    fit's own; the check tells whether independent software finds the same optimum for the same rows.

    Parameters
    ----------
    fit : LmmFit
        What is to be checked.
    engines : sequence of {"statsmodels", "lme4"}
        statsmodels is always there, but fits fewer models; R with its package lme4 is used when ``Rscript`` is installed.
    tolerance : float
        Largest difference that counts as agreement, as a fraction of the uncertainty of the quantity: of the standard error for a
        fixed effect and for its standard error; of the variance with which the rows of one level estimate a random effect for
        a (co)variance; of the estimate for the residual SD; in units of deviance for the criterion.
    timeout : float, in seconds
        After this long R is stopped.

    Returns
    -------
    CrossCheck
        An engine that is not installed, cannot express the model or fails gives a note, not an error.

    Raises
    ------
    ModelError
        If an engine is unknown, or tolerance or timeout is not positive.

    See Also
    --------
    lmm

    Notes
    -----
    The engines get the columns of the model, not the formula and the frame: estimation is checked, the reading of the formula
    is not. For R the columns are written, under neutral names and with ids replaced by integers, to a private temporary folder
    that is removed afterwards. lme4 runs with a tightened optimiser (bobyqa, ``rhoend = 1e-9``, restarted once), since its
    defaults stop up to 1e-5 above the optimum. statsmodels runs with its defaults; its standard errors are those of its
    information on the fixed effects alone (what it prints comes from the joint observed information, another estimator).

    An engine whose criterion is higher than the fit's has stopped early: its other numbers then differ because it did not
    reach the optimum. statsmodels gets one grouping factor in which all others are nested, one term with correlated effects
    on the outermost factor, and single effects elsewhere; no weights.

    References
    ----------
    Bates, D., Maechler, M., Bolker, B., & Walker, S. (2015). Fitting linear mixed-effects models using lme4. Journal of
    Statistical Software, 67(1). doi 10.18637/jss.v067.i01.
    Seabold, S., & Perktold, J. (2010). statsmodels: Econometric and statistical modeling with Python. Proceedings of the 9th
    Python in Science Conference, 92-96. doi 10.25080/Majora-92bf1922-011.

    Examples
    --------
    >>> import pandas as pd
    >>> from alliance_stats.mixed.crosscheck import cross_check
    >>> from alliance_stats.mixed.lmm import lmm
    >>> sessions = pd.DataFrame({"patient": [1, 1, 1, 2, 2, 2, 3, 3, 3], "session": [1, 2, 3] * 3,
    ...                          "distress": [20, 17, 16, 25, 24, 20, 14, 13, 9]})
    >>> check = cross_check(lmm("distress ~ session + (1 | patient)", sessions), engines=["statsmodels"])
    >>> check.tidy()[["term", "quantity", "estimate", "other", "agrees"]].head(2).round(2)
            term      quantity  estimate  other  agrees
    0  Intercept  fixed_effect     22.22  22.22    True
    1    session  fixed_effect     -2.33  -2.33    True
    """
    chosen = _known(engines)
    if fit.residual is not None or fit.sigma_fixed:
        raise ModelError.build(
            "Neither statsmodels nor lme4 fits a model with a residual structure or a given sigma.",
            hint="check it with nlme (corAR1, varIdent) or metafor (rma.mv) in R.",
        )
    if not tolerance > 0 or not timeout > 0:
        raise ModelError.build(
            f"tolerance ({tolerance}) and timeout ({timeout}) must be positive.",
            hint="leave them out for a tolerance of 0.001 and 300 seconds.",
        )
    runners: Mapping[str, Callable[[LmmFit], OtherFit]] = {
        "statsmodels": fit_statsmodels,
        "lme4": partial(fit_lme4, timeout=timeout),
    }
    quantities = quantities_of(fit)
    parts, notes, skipped = [], [_scope(fit, tolerance)], []
    for name in chosen:
        other = runners[name](fit)
        notes += [f"{other.label}: {note}" for note in other.notes]
        if not other.found:
            skipped.append(name)
            continue
        part = _compare(quantities, other, name, tolerance)
        parts.append(part)
        notes.append(_verdict(part, other.label))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: [] for name in _COLUMNS})
    if not parts:
        notes.append("Nothing was compared.")
    return CrossCheck(
        notes=tuple(notes),
        table=table,
        outcome=fit.response,
        method=fit.method,
        n_obs=fit.n_obs,
        skipped=tuple(skipped),
    )


def _known(engines: Sequence[Engine]) -> list[str]:
    """Return the engines asked for, each once; raises a ModelError for others."""
    names: list[str] = [engines] if isinstance(engines, str) else list(engines)
    if not names:
        raise ModelError.build("No engine was named.", hint=f"choose from {', '.join(ENGINES)}.")
    for name in names:
        if name not in ENGINES:
            raise unknown_name(ModelError, "engine", name, ENGINES)
    return list(dict.fromkeys(names))


def _scope(fit: LmmFit, tolerance: float) -> str:
    """Return the sentence that says what was checked."""
    return (
        f"Estimates of {fit.formula} ({fit.method}, {fit.n_obs} rows) beside other engines on the same columns; "
        f"differences up to {tolerance:g} of a quantity's uncertainty count as agreement."
    )


def _compare(quantities: Sequence[Quantity], other: OtherFit, engine: str, tolerance: float) -> pd.DataFrame:
    """Return one row per quantity."""
    rows = []
    for quantity in quantities:
        theirs = other.found.get(quantity.key, np.nan)
        difference, allowed = quantity.value - theirs, tolerance * quantity.scale
        rows.append(
            {
                "term": quantity.term,
                "term2": quantity.term2,
                "group": quantity.group,
                "estimate": quantity.value,
                "engine": engine,
                "quantity": quantity.kind,
                "other": theirs,
                "difference": difference,
                "tolerance": allowed,
                "agrees": bool(abs(difference) <= allowed),
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _verdict(part: pd.DataFrame, label: str) -> str:
    """Return the sentence that says whether an engine agrees, and who is nearer to the optimum if it does not."""
    n_off, row = int((~part["agrees"]).sum()), part[part["quantity"] == CRITERION].iloc[0]
    if not n_off:
        return f"{label} agrees in all {len(part)} quantities."
    counts = f"{label} differs in {n_off} of {len(part)} quantities"
    if row["agrees"]:
        return f"{counts} although the criterion agrees: compare them one by one."
    gap = abs(float(row["difference"]))
    if np.isnan(gap):
        return f"{counts} and gave no criterion."
    if row["difference"] < 0:
        return (
            f"{counts}: it stopped early, its criterion is {gap:.4g} higher than the fit's, so its numbers are not those of the "
            f"optimum."
        )
    return (
        f"{counts}: its criterion is {gap:.4g} lower, so the fit that was checked is not at the optimum; do not use it."
    )
