"""What a reader must know of lagged effects in both directions."""

from __future__ import annotations

import numpy as np

from alliance_stats.process.panel_models import PanelModels
from alliance_stats.process.panel_table import REACHED, PanelTable


def reciprocal_notes(panel: PanelTable, found: PanelModels, names: tuple[str, str]) -> list[str]:
    """Return the sentences on estimand, data, models, bias and fit.

    Parameters
    ----------
    panel : PanelTable
    found : PanelModels
    names : tuple of str
        Alliance and symptom.
    """
    first, second = names
    return [
        f"Estimand: within a patient, the expected difference in {second} per point of {first} one session before (and the "
        "other way round), the outcome's own value one session before held fixed. Causal only if nothing else that changes "
        "from session to session drives both.",
        *_data_notes(panel),
        f"Multilevel model: {first} and {second} of the session before as deviations from the patient's mean over the sessions "
        "used, the predictor's patient mean, one mean per session, random intercept of the patient; REML; Wald intervals "
        "with the normal distribution.",
        _nickell(panel, found),
        "Random-intercept cross-lagged panel model (Hamaker et al., 2015) and dynamic panel models (Allison et al., 2017; x "
        "predetermined, one model per direction): maximum likelihood from all ratings, missing ones taken as missing at "
        f"random; standard errors from the {'expected' if panel.n_missing == 0 else 'observed'} information.",
        *_fit_notes(found),
        "Therapists are not in these models: patients of one therapist count as independent. See alliance_outcome().",
        "std_estimate is in pooled SDs within patients of the ratings used, the same for all models.",
    ]


def _data_notes(panel: PanelTable) -> list[str]:
    """Return the sentences on sessions, patients and missing ratings."""
    cells = 2 * panel.n_patients * panel.n_waves
    complete = int(np.sum(~(np.isnan(panel.first) | np.isnan(panel.second)).any(axis=1)))
    single = int(np.sum((~np.isnan(panel.first) | ~np.isnan(panel.second)).sum(axis=1) == 1))
    notes = [
        f"N: {panel.n_patients} patients, sessions {panel.sessions[0]} to {panel.sessions[-1]} ({panel.n_waves}); without waves= "
        f"the sessions that {REACHED:.0%} of the patients reached. Session numbers place a rating; gaps are missing sessions.",
        f"{panel.n_missing} of {cells} ratings are missing; {complete} patients are complete; {panel.n_left_out} patients "
        "without a rating in these sessions are left out.",
    ]
    if single:
        notes.append(f"{single} patients have one rated session: they inform means and variances, no lagged effect.")
    return notes


def _nickell(panel: PanelTable, found: PanelModels) -> str:
    """Return the sentence on the bias of the multilevel model, with its rough size in these sessions."""
    constant = [effects for effects in found.lagged if effects.model == "ri_clpm" and effects.session is None]
    sizes = [f"{-(1 + float(effects.estimate[0])) / (panel.n_waves - 2):.2f}" for effects in constant]
    with_sizes = f" With {panel.n_waves} sessions and the autoregressions of the RI-CLPM: about {' and '.join(sizes)}."
    rough = with_sizes if sizes else ""
    return (
        "Nickell bias (Nickell, 1981): beside person means the lagged outcome of the multilevel model is biased downwards, by "
        "about (1 + autoregression) / (outcomes per patient - 1), and the cross effect with it; more patients do not help."
        f"{rough} The structural models do not have it."
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
