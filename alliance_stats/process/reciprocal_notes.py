"""What a reader must know of lagged effects in both directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alliance_stats.process.long_run import N_DRAWS, Interval, LaggedEffects
from alliance_stats.process.nickell_bias import nickell_bias
from alliance_stats.process.panel_models import PanelModels
from alliance_stats.process.panel_rows import patients_with
from alliance_stats.process.panel_table import REACHED, PanelTable


def reciprocal_notes(
    panel: PanelTable,
    found: PanelModels,
    names: tuple[str, str],
    *,
    lagged: Sequence[LaggedEffects],
    interval: Interval,
) -> list[str]:
    """Return the sentences on estimand, data, models, bias, fit and intervals; the intervals last.

    Parameters
    ----------
    panel : PanelTable
    found : PanelModels
    names : tuple of str
        Alliance and symptom.
    lagged : sequence of LaggedEffects
        Of all models.
    interval : {"delta", "monte_carlo"}
        Of long-run effects.
    """
    first, second = names
    rows = [f"{effects.n} of {second if effects.first_on_second else first}" for effects in lagged[:2]]
    return [
        f"Estimand: within a patient, the expected difference in {second} per point of {first} one session before (and the "
        "other way round), the outcome's own value one session before held fixed. Causal only if nothing else that changes "
        "from session to session drives both.",
        "Level: sessions within patients; differences between patients are held apart by centring or patients' intercepts. "
        "Lag: 1, in session numbers; gaps are not bridged.",
        *_data_notes(panel),
        f"Multilevel model: centring at patients: {first} and {second} of the session before are deviations from the patient's "
        "mean over the sessions used; beside them the predictor's patient mean, one mean per session, random intercept of the "
        f"patient; REML. Rows with the outcome and both ratings of the session before: {' and '.join(rows)}.",
        _nickell(panel, found),
        "Random-intercept cross-lagged panel model (Hamaker et al., 2015) and dynamic panel models (Allison et al., 2017; x "
        "predetermined, one model per direction): centring by latent intercepts or effects of the patient, means of sessions "
        "free; maximum likelihood from all ratings, missing ones taken as missing at random; standard errors from the "
        f"{'expected' if panel.n_missing == 0 else 'observed'} information.",
        *_fit_notes(found),
        "Therapists are not in these models: patients of one therapist count as independent. See alliance_outcome().",
        "std_estimate is in pooled SDs within patients of the ratings used, the same for all models.",
        "Tests and intervals: z, with quantiles of the normal distribution (no degrees of freedom). "
        + _LONG_RUN[interval],
    ]


_LONG_RUN: dict[Interval, str] = {
    "delta": "Intervals of long-run effects: delta method.",
    "monte_carlo": f"Intervals of long-run effects: quantiles of {N_DRAWS} draws of the two effects; draws with an "
    "autoregression of 1 or more count as infinite.",
}


def _data_notes(panel: PanelTable) -> list[str]:
    """Return the sentences on rows, sessions, patients and missing ratings."""
    cells = 2 * panel.n_patients * panel.n_waves
    complete = int(np.sum(~(np.isnan(panel.first) | np.isnan(panel.second)).any(axis=1)))
    single = int(np.sum((~np.isnan(panel.first) | ~np.isnan(panel.second)).sum(axis=1) == 1))
    left_out = panel.n_left_out
    notes = [
        panel.rows,
        f"N: {panel.n_patients} patients, sessions {panel.sessions[0]} to {panel.sessions[-1]} ({panel.n_waves}); without waves= "
        f"the sessions that {REACHED:.0%} of the patients reached. Session numbers place a rating; gaps are missing sessions.",
        f"{panel.n_missing} of {cells} ratings are missing; {complete} {'patient is' if complete == 1 else 'patients are'} "
        f"complete; {left_out} {'patient' if left_out == 1 else 'patients'} without a rating in these sessions "
        f"{'is' if left_out == 1 else 'are'} left out.",
    ]
    if single:
        notes.append(f"{patients_with(single)} one rated session and inform means and variances, no lagged effect.")
    return notes


def _nickell(panel: PanelTable, found: PanelModels) -> str:
    """Return the sentence on the bias of the multilevel model, with its size in these sessions."""
    constant = [effects for effects in found.lagged if effects.model == "ri_clpm" and effects.session is None]
    sizes = [f"{nickell_bias(float(effects.estimate[0]), panel.n_waves - 1):.2f}" for effects in constant]
    with_sizes = (
        f" With {panel.n_waves} sessions, complete ratings and the autoregressions of the RI-CLPM: about {' and '.join(sizes)}; "
        "the other rating changes it a little, missing ratings add to it."
    )
    return (
        "Nickell bias (Nickell, 1981): beside person means the lagged outcome of the multilevel model is biased downwards, and "
        f"the cross effect is biased with it; more patients do not help.{with_sizes if sizes else ''} The structural models do "
        "not have it."
    )


def _fit_notes(found: PanelModels) -> list[str]:
    """Return the sentences on stationarity, missing tests and impossible solutions."""
    notes = []
    if np.isfinite(found.largest_root):
        state = "deviations fade" if found.largest_root < 1 else "deviations grow: not stationary, no long-run effect"
        notes.append(f"Largest eigenvalue of the lagged effects of the RI-CLPM: {found.largest_root:.2f}; {state}.")
    if found.why_no_chi2:
        notes.append(
            f"No chi-square for some models: the likelihood without a model is not known, because {found.why_no_chi2}."
        )
    if found.fits["equal_p_value"].isna().any():
        notes.append("No test of equal effects over sessions for some models: too few sessions, or no maximum.")
    notes += [f"Impossible solution: {words}." for words in found.improper]
    return notes
