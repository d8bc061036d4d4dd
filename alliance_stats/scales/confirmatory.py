"""Confirmatory factor analysis at one level."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import AllianceStatsWarning, DataError
from alliance_stats.result import Result
from alliance_stats.scales.covariance_structure import StructureFit, fit_structure
from alliance_stats.scales.item_sample import ItemSample, item_sample
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.measurement_model import MeasurementModel, Parameter, simple_model
from alliance_stats.scales.model_fit import ModelFit

Scale: TypeAlias = Literal["unit_variance", "marker"]
Missing: TypeAlias = Literal["listwise", "fiml"]


@dataclass(frozen=True, kw_only=True)
class Confirmatory(Result):
    """A fitted measurement model; made by `confirmatory`.

    Parameters
    ----------
    parameters : DataFrame
        One row per parameter, without intervals.
    covariance : DataFrame
        Covariance of the items that the model implies, items by items.
    fit : ModelFit
    srmr, log_likelihood : float
    n, n_free : int
        Rows and free parameters (means included).
    """

    parameters: pd.DataFrame
    covariance: pd.DataFrame
    fit: ModelFit
    srmr: float
    log_likelihood: float
    n: int
    n_free: int

    def tidy(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return the parameters.

        Parameters
        ----------
        level : float in (0, 1)
            Coverage of the normal intervals.

        Returns
        -------
        DataFrame
            One row per parameter: term (factor, or first item), term2 (second factor or item), item, kind (loading,
            factor_covariance, residual_covariance or mean; variances are covariances of a term with itself), estimate,
            std_error (missing where fixed), statistic, p_value, conf_low, conf_high, conf_level, standardized.
        """
        from scipy.stats import norm

        if not 0 < level < 1:
            raise DataError.build(
                f"level = {level} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval."
            )
        table = self.parameters.drop(columns="standardized")
        half = norm.ppf(0.5 + level / 2) * table["std_error"]
        statistic = table["estimate"] / table["std_error"]
        return table.assign(
            statistic=statistic,
            p_value=2 * norm.sf(np.abs(statistic)),
            conf_low=table["estimate"] - half,
            conf_high=table["estimate"] + half,
            conf_level=level,
            standardized=self.parameters["standardized"],
        )

    def glance(self) -> pd.DataFrame:
        """Return one row: n, n_free, chi2, df, p_value, cfi, tli, rmsea and its 90 percent ends, srmr, log_likelihood."""
        head = {"n": self.n, "n_free": self.n_free}
        return pd.DataFrame([{**head, **asdict(self.fit), "srmr": self.srmr, "log_likelihood": self.log_likelihood}])


def confirmatory(
    frame: pd.DataFrame,
    model: Mapping[str, Sequence[str]],
    *,
    residual_covariances: Sequence[tuple[str, str]] = (),
    correlated: bool = True,
    scale: Scale = "unit_variance",
    missing: Missing = "listwise",
) -> Confirmatory:
    """Fit a confirmatory factor model by maximum likelihood.

    Use it to ask whether items measure the factors they were written for, such as bond, goal and task. It describes one
    level: pass one session per patient, or patients' means; for sessions within patients see `multilevel_omega`.

    Parameters
    ----------
    frame : DataFrame
        One row per independent form.
    model : mapping of str to sequence of str
        Item columns of each factor; an item may belong to several.
    residual_covariances : sequence of pairs of str
        Items that share more than the factors.
    correlated : bool
        Whether factors covary.
    scale : {"unit_variance", "marker"}
        Give factors variance 1, or the unit of their first item.
    missing : {"listwise", "fiml"}
        Leave out incomplete rows, or use all answers given, which assumes that they are missing at random.

    Returns
    -------
    Confirmatory

    Raises
    ------
    ColumnError
        If a column is missing or holds text.
    DataError
        If there are too few rows or items, an item does not vary, or an option is unknown.
    ModelError
        If the model is not identified.
    ConvergenceError
        If the likelihood has no maximum that can be found.

    Warns
    -----
    AllianceStatsWarning
        If a residual variance is not positive or a factor correlation beyond 1.

    See Also
    --------
    factor_analysis, omega, multilevel_omega

    Notes
    -----
    Sigma = Lambda Phi Lambda' + Theta with free means, fitted by Fisher scoring. Standard errors come from the expected
    information, with "fiml" from the observed one. chi2 compares with free covariances and means; CFI and TLI with
    independent items; RMSEA has n, not n - 1, in its denominator, as in lavaan. Normal theory: answers with a strong ceiling
    give too small standard errors and too large chi2.

    References
    ----------
    Joreskog, K. G. (1969). Psychometrika, 34, 183-202. https://doi.org/10.1007/BF02289343

    Bentler, P. M. (1990). Psychological Bulletin, 107, 238-246. https://doi.org/10.1037/0033-2909.107.2.238

    Examples
    --------
    >>> import alliance_stats as al
    >>> first = al.load_sample("therapist_statements").query("session == 1")
    >>> bond = ["wai_3", "wai_5", "wai_7", "wai_9"]
    >>> al.confirmatory(first, {"bond": bond}).glance()[["n", "df", "cfi"]].round(2).iloc[0].tolist()
    [558.0, 2.0, 1.0]
    """
    items = tuple(dict.fromkeys(item for group in model.values() for item in group))
    _require_sensible(model, items, residual_covariances, scale=scale, missing=missing)
    sample = item_sample(frame, list(items), at_least=3, incomplete=missing == "fiml")
    matrices = simple_model(
        [[items.index(item) for item in group] for group in model.values()],
        len(items),
        correlated=correlated,
        marker=scale == "marker",
        residual_pairs=[(items.index(one), items.index(two)) for one, two in residual_covariances],
    )
    found = fit_structure(sample.answers, matrices, fiml=missing == "fiml")
    table = _parameter_table(found, matrices, tuple(model), items)
    improper = _improper(found)
    if improper:
        warnings.warn(
            f"Improper solution: {improper}. Check the items for wrong keys or twins, or fit fewer factors.",
            AllianceStatsWarning,
            stacklevel=2,
        )
    return Confirmatory(
        parameters=table,
        covariance=pd.DataFrame(found.covariance, index=list(items), columns=list(items)),
        fit=found.fit,
        srmr=found.srmr,
        log_likelihood=found.log_likelihood,
        n=len(sample.used),
        n_free=len(found.theta) + len(items),
        notes=tuple(_notes(sample, missing, scale, improper)),
    )


def _require_sensible(
    model: Mapping[str, Sequence[str]],
    items: tuple[str, ...],
    pairs: Sequence[tuple[str, str]],
    *,
    scale: str,
    missing: str,
) -> None:
    """Raise if the model or an option makes no sense."""
    if scale not in ("unit_variance", "marker"):
        raise DataError.build(f"No scale '{scale}'.", hint="use 'unit_variance' or 'marker'.")
    if missing not in ("listwise", "fiml"):
        raise DataError.build(f"No rule missing='{missing}'.", hint="use 'listwise' or 'fiml'.")
    bare = [factor for factor, group in model.items() if isinstance(group, str) or len(group) == 0]
    if bare or not model:
        raise DataError.build(
            f"Factor '{bare[0]}' has no list of items." if bare else "The model has no factors.",
            hint="write {'bond': ['i1', 'i2', 'i3']}.",
        )
    strange = [name for pair in pairs for name in pair if name not in items]
    if strange or any(one == two for one, two in pairs):
        named = f"'{strange[0]}', which is no item of the model" if strange else "an item with itself"
        raise DataError.build(f"residual_covariances names {named}.", hint="pair two different items of the model.")


def _improper(found: StructureFit) -> str:
    """Return what is impossible about a solution, in words; empty if nothing is."""
    words = []
    n_residuals = int(np.sum(np.diag(found.residual) <= 0))
    if n_residuals:
        words.append(f"{n_residuals} residual variances are not positive")
    spread = np.sqrt(np.maximum(np.diag(found.factor), 1e-300))
    beyond = int(np.sum(np.abs(np.tril(found.factor / np.outer(spread, spread), -1)) > 1))
    if beyond:
        words.append(f"{beyond} factor correlations lie beyond 1")
    return " and ".join(words)


def _parameter_table(
    found: StructureFit, matrices: MeasurementModel, factors: tuple[str, ...], items: tuple[str, ...]
) -> pd.DataFrame:
    """Return one row per parameter, fixed ones included."""
    errors = dict(zip(matrices.free, found.std_errors, strict=False))
    spread = np.sqrt(np.diag(found.covariance))
    factor_spread = np.sqrt(np.diag(found.factor))
    residual_spread = np.sqrt(np.abs(np.diag(found.residual)))
    rows: list[dict[str, object]] = []

    def add(cell: Parameter, kind: str, names: tuple[str, str, str], value: float, standardized: float) -> None:
        """Append one row."""
        error = errors.get(cell, float("nan"))
        head = {"term": names[0], "term2": names[1], "item": names[2], "kind": kind}
        rows.append({**head, "estimate": value, "std_error": error, "standardized": standardized})

    for f, factor in enumerate(factors):
        for i, item in enumerate(items):
            if matrices.loadings[i, f] != 0:
                value = found.loadings[i, f]
                cell = Parameter("loading", i, f)
                add(cell, "loading", (factor, "", item), value, value * factor_spread[f] / spread[i])
    for f, g in _lower(len(factors)):
        if matrices.factor_covariance[f, g] != 0:
            value = found.factor[f, g]
            scaled = value / (factor_spread[f] * factor_spread[g])
            add(Parameter("factor", f, g), "factor_covariance", (factors[g], factors[f], ""), value, scaled)
    for i, j in _lower(len(items)):
        if matrices.residual_covariance[i, j] != 0:
            value = found.residual[i, j]
            unit = spread[i] ** 2 if i == j else residual_spread[i] * residual_spread[j]
            names = (items[j], items[i], "")
            add(Parameter("residual", i, j), "residual_covariance", names, value, value / unit)
    return pd.concat([pd.DataFrame(rows), _mean_rows(found, items, spread)], ignore_index=True)


def _lower(size: int) -> list[tuple[int, int]]:
    """Return rows and columns of a lower triangle."""
    return [(row, column) for row in range(size) for column in range(row + 1)]


def _mean_rows(found: StructureFit, items: tuple[str, ...], spread: FloatArray) -> pd.DataFrame:
    """Return one row per mean."""
    blank = {"term": "", "term2": "", "item": list(items), "kind": "mean"}
    errors = found.std_errors[len(found.theta) :]
    return pd.DataFrame({**blank, "estimate": found.mean, "std_error": errors, "standardized": found.mean / spread})


def _notes(sample: ItemSample, missing: str, scale: str, improper: str) -> list[str]:
    """Return what a reader must know of the fit."""
    if missing == "fiml":
        gaps = int(np.isnan(sample.answers).sum())
        left_out = sample.n_given - len(sample.used)
        notes = [
            f"{len(sample.used)} rows with at least one answer; {left_out} without any are left out.",
            f"Full-information maximum likelihood: {gaps} answers are missing, taken as missing at random; observed information.",
        ]
    else:
        notes = [*sample.notes, "Maximum likelihood; expected information."]
    notes.append(
        "Factors have variance 1." if scale == "unit_variance" else "Factors have the unit of their first item."
    )
    if sample.repeats_patients:
        notes.append("Rows repeat patients: levels are mixed, and standard errors and chi2 are wrong.")
    if improper:
        notes.append(f"Improper solution: {improper}.")
    return notes
