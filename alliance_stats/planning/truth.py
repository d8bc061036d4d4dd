"""The true parameters of a simulated study, and what they imply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from alliance_stats.errors import ModelError, listing


@dataclass(frozen=True, kw_only=True)
class ByLevel:
    """One value for each level: session (within patients), patient (within therapists) and therapist.

    Parameters
    ----------
    session, patient, therapist : float
    """

    session: float
    patient: float
    therapist: float


def _typical_shares() -> dict[str, float]:
    """Return the average share of each code."""
    return {
        "approval_reassurance": 0.10,
        "open_question": 0.13,
        "closed_question": 0.11,
        "restatement": 0.13,
        "reflection_of_feelings": 0.11,
        "challenge": 0.03,
        "interpretation": 0.07,
        "self_disclosure": 0.02,
        "immediacy": 0.02,
        "information": 0.09,
        "direct_guidance": 0.06,
        "other_statement": 0.13,
    }


@dataclass(frozen=True, kw_only=True)
class StudyTruth:
    """Every parameter of a simulated study of therapist statements, alliance and outcome.

    Alliance is in WAI-SR points (mean of 12 items, 1 to 5), outcome in ORS points (sum of 4 items, 0 to 40, higher is
    better). Values without a source are chosen, not found; see Notes.

    Parameters
    ----------
    alliance_mean : float
        Alliance of the average patient in session 1.
    alliance_trend : float
        Change of alliance per session.
    alliance_sd : ByLevel
        Standard deviations of alliance that statements do not explain; ``session`` is that of a session's new part.
    alliance_carry_over : float
        How much of a session's deviation from the patient's course is left in the next session.
    outcome_to_alliance : float
        Alliance points per point of the outcome's deviation in the session before.
    supportive, controlling : ByLevel
        Alliance points per share of 1 of supportive (controlling) statements: of the session's deviation from the
        patient's expected share, of the patient's from the therapist's, and of the therapist's from the average.
    outcome_mean, outcome_trend : float
        Outcome of the average patient in session 1, and its change per session.
    outcome_sd : ByLevel
        Standard deviations of the outcome that alliance does not explain; ``session`` is that of the new part.
    outcome_carry_over : float
        How much of a session's outcome deviation is left in the next session.
    alliance_effect : ByLevel
        Outcome points per alliance point: ``session`` is the effect of the deviation in the session before (lag 1),
        ``patient`` and ``therapist`` are those of lasting differences.
    alliance_effect_sd : float
        Standard deviation between patients of the session effect.
    code_shares : mapping of str to float
        Average share of each code; they sum to one.
    supportive_codes, controlling_codes : tuple of str
        The codes whose shares matter for alliance.
    share_concentration : ByLevel
        Dirichlet concentrations: the larger, the less shares differ at that level.
    statements_mean, statements_size : float
        Statements per session: mean, and size of the negative binomial (the smaller, the more sessions differ).
    dropout_rate : float
        Probability of dropping out after a session at average alliance.
    dropout_alliance : float
        Change of the log hazard (complementary log-log) per alliance point.
    wai_facets : tuple of str, length 12
        Facet (task, goal or bond) of each WAI-SR item.
    wai_item_shifts : tuple of float, length 12
        Points by which each item lies above the alliance; they sum to zero.
    facet_sd_patient, facet_sd_session : float
        Standard deviations of facets around the alliance: lasting, and new in each session.
    wai_item_sd : float
        Standard deviation of an item's error, in item points, before rounding to 1 to 5.
    ors_item_sd_patient, ors_item_sd_session : float
        Standard deviations of an ORS item around a quarter of the outcome: lasting, and new in each session.
    item_missing, form_missing : float
        Probability that an item, or a whole form of a session, was not answered, whatever the answer would have been.
    caseload_shape : float
        Gamma shape of therapists' caseloads: the smaller, the less balanced.

    Raises
    ------
    ModelError
        If a value is impossible, or the carry-over effects would let the course explode.

    Notes
    -----
    Sources of sizes. Lag-1 within-patient effect: standardized .16 to .21 (Kenya study, RI-CLPM); outcome sees .19
    here. Lasting alliance and outcome: r = .278 (Flückiger et al., 2018). Therapists' share of the outcome variance:
    5 % (Wampold & Brown, 2005) to 7.2 % (Schiefele et al., 2017). Outcome at the start: ORS intake in adult outpatient
    settings is typically 16 to 19 (openFIT, KA-01028). That the session effect varies between patients is reported by
    Falkenström et al. (2013), that the reverse path exists by Flückiger et al. (2020), that a poorer alliance goes with
    dropout by Sharf et al. (2010): no size is taken from these. `implied_values` gives what follows.

    Chosen: everything about statements (Kadur et al. (2020) print directions with symptom outcome, and mixed results
    with alliance, but no sizes), all means, trends and variances of alliance, missingness, items and caseloads.

    References
    ----------
    Falkenström, Granström & Holmqvist (2013). 646 primary-care patients, WAI-SR and CORE-OM.
    Flückiger, Del Re, Wampold & Horvath (2018). doi:10.1037/pst0000172
    Flückiger et al. (2020). J Consult Clin Psychol, 88, 829-843. doi:10.1037/ccp0000594
    Kadur, Lüdemann & Andreas (2020). doi:10.1002/cpp.2416
    Kenya study (345 outpatients, SAI and CORE-OM in every session). PMC7776120
    Schiefele et al. (2017). doi:10.1007/s10488-016-0736-3; Wampold & Brown (2005). doi:10.1037/0022-006X.73.5.914
    Sharf, Primavera & Diener (2010). doi:10.1037/a0021175

    Examples
    --------
    >>> from alliance_stats.planning.truth import StudyTruth, implied_values
    >>> round(implied_values(StudyTruth())["standardized_session_effect"], 2)
    0.19
    """

    alliance_mean: float = 3.7
    alliance_trend: float = 0.02
    alliance_sd: ByLevel = ByLevel(session=0.35, patient=0.50, therapist=0.18)
    alliance_carry_over: float = 0.20
    outcome_to_alliance: float = 0.01
    supportive: ByLevel = ByLevel(session=1.0, patient=1.0, therapist=1.0)
    controlling: ByLevel = ByLevel(session=-1.5, patient=-1.5, therapist=-1.5)
    outcome_mean: float = 18.0
    outcome_trend: float = 0.35
    outcome_sd: ByLevel = ByLevel(session=2.8, patient=4.3, therapist=1.2)
    outcome_carry_over: float = 0.30
    alliance_effect: ByLevel = ByLevel(session=1.5, patient=2.5, therapist=2.5)
    alliance_effect_sd: float = 0.5
    code_shares: Mapping[str, float] = field(default_factory=_typical_shares)
    supportive_codes: tuple[str, ...] = ("approval_reassurance", "restatement", "reflection_of_feelings")
    controlling_codes: tuple[str, ...] = ("challenge", "direct_guidance")
    share_concentration: ByLevel = ByLevel(session=60.0, patient=40.0, therapist=60.0)
    statements_mean: float = 80.0
    statements_size: float = 10.0
    dropout_rate: float = 0.04
    dropout_alliance: float = -0.7
    wai_facets: tuple[str, ...] = (
        *("task", "task", "bond", "goal", "bond", "goal"),
        *("bond", "goal", "bond", "task", "goal", "task"),
    )
    wai_item_shifts: tuple[float, ...] = (-0.1, -0.2, 0.2, 0.0, 0.3, -0.1, 0.1, 0.0, 0.2, -0.1, -0.2, -0.1)
    facet_sd_patient: float = 0.25
    facet_sd_session: float = 0.10
    wai_item_sd: float = 0.55
    ors_item_sd_patient: float = 0.7
    ors_item_sd_session: float = 0.6
    item_missing: float = 0.005
    form_missing: float = 0.05
    caseload_shape: float = 3.0

    def __post_init__(self) -> None:
        _check_signs(self)
        _check_codes(self)
        _check_items(self)
        radius = float(np.abs(np.linalg.eigvals(carry_over_matrix(self))).max())
        if radius >= 1:
            raise ModelError.build(
                f"Alliance and outcome would explode: the carry-over matrix has spectral radius {radius:.2f}.",
                hint="lower alliance_carry_over, outcome_carry_over, outcome_to_alliance or alliance_effect.",
            )


def carry_over_matrix(truth: StudyTruth) -> np.ndarray:
    """Return how the deviations of one session enter the next, shape (2, 2): rows and columns alliance, outcome."""
    return np.array(
        [
            [truth.alliance_carry_over, truth.outcome_to_alliance],
            [truth.alliance_effect.session, truth.outcome_carry_over],
        ]
    )


def implied_values(truth: StudyTruth) -> dict[str, float]:
    """Compute what the parameters imply for quantities that the literature prints.

    Parameters
    ----------
    truth : StudyTruth

    Returns
    -------
    dict
        standardized_session_effect (outcome SDs per alliance SD, both within patients, lag 1), patient_correlation
        (of patients' lasting alliance and outcome within therapists), therapist_share_of_outcome and
        therapist_share_of_alliance (of the variance of one session, 0 to 1).

    Notes
    -----
    Closed forms on the latent scale, before rounding, ceiling and missing answers; at the average session effect, and
    with a first-order approximation for the number of statements.
    """
    alliance, outcome = _within_variances(truth)
    shares = _share_variances(truth)
    patient_alliance = truth.alliance_sd.patient**2 + shares.patient
    therapist_alliance = truth.alliance_sd.therapist**2 + shares.therapist
    patient_outcome = truth.outcome_sd.patient**2 + truth.alliance_effect.patient**2 * patient_alliance
    therapist_outcome = truth.outcome_sd.therapist**2 + truth.alliance_effect.therapist**2 * therapist_alliance
    patient_slope = truth.alliance_effect.patient
    return {
        "standardized_session_effect": float(truth.alliance_effect.session * np.sqrt(alliance / outcome)),
        "patient_correlation": float(patient_slope * np.sqrt(patient_alliance / patient_outcome)),
        "therapist_share_of_outcome": float(therapist_outcome / (therapist_outcome + patient_outcome + outcome)),
        "therapist_share_of_alliance": float(therapist_alliance / (therapist_alliance + patient_alliance + alliance)),
    }


def _within_variances(truth: StudyTruth) -> tuple[float, float]:
    """Return the stationary variances of the session deviations of alliance and outcome."""
    matrix = carry_over_matrix(truth)
    fresh = np.diag([truth.alliance_sd.session**2 + _share_variances(truth).session, truth.outcome_sd.session**2])
    # Stationary covariance: vec(V) = (I - M kron M)^-1 vec(Q).
    solved = np.linalg.solve(np.eye(4) - np.kron(matrix, matrix), fresh.ravel()).reshape(2, 2)
    return float(solved[0, 0]), float(solved[1, 1])


def _share_variances(truth: StudyTruth) -> ByLevel:
    """Return the variances of alliance that statement shares make at each level."""
    kept = _kept_variation(truth)
    per_statement = (1 + 1 / truth.statements_size) / truth.statements_mean
    size = truth.share_concentration.session
    return ByLevel(
        session=_weight_spread(truth, "session") * kept.session * (1 + size * per_statement) / (size + 1),
        patient=_weight_spread(truth, "patient") * kept.patient / (truth.share_concentration.patient + 1),
        therapist=_weight_spread(truth, "therapist") * kept.therapist / (truth.share_concentration.therapist + 1),
    )


def _kept_variation(truth: StudyTruth) -> ByLevel:
    """Return the expected fraction of multinomial variation left by the levels above, for each level."""
    after_therapist = truth.share_concentration.therapist / (truth.share_concentration.therapist + 1)
    after_patient = truth.share_concentration.patient / (truth.share_concentration.patient + 1)
    return ByLevel(session=after_therapist * after_patient, patient=after_therapist, therapist=1.0)


def _weight_spread(truth: StudyTruth, level: str) -> float:
    """Return the variance of the alliance weight of one statement drawn from the average shares."""
    effects = {code: getattr(truth.supportive, level) for code in truth.supportive_codes}
    effects |= {code: getattr(truth.controlling, level) for code in truth.controlling_codes}
    shares = np.array(list(truth.code_shares.values()))
    weights = np.array([effects.get(code, 0.0) for code in truth.code_shares])
    return float(shares @ weights**2 - (shares @ weights) ** 2)


def _check_signs(truth: StudyTruth) -> None:
    """Raise for negative standard deviations, impossible probabilities and sizes that must be positive."""
    numbers = _numbers(truth)
    spread = [name for name, value in numbers.items() if "_sd" in name and value < 0]
    rates = ("dropout_rate", "item_missing", "form_missing")
    chance = [name for name in rates if not 0 <= numbers[name] < 1]
    sizes = ("share_concentration", "statements_size", "caseload_shape")
    size = [name for name, value in numbers.items() if name.startswith(sizes) and value <= 0]
    few = ["statements_mean"] if truth.statements_mean <= 1 else []
    infinite = [name for name, value in numbers.items() if not np.isfinite(value)]
    for names, rule in (
        (infinite, "must be finite"),
        (spread, "must not be negative"),
        (chance, "must be at least 0 and below 1"),
        (size, "must be positive"),
        (few, "must be above 1"),
    ):
        if names:
            raise ModelError.build(f"{listing(names)} {rule}.", hint="correct the value in StudyTruth().")


def _numbers(truth: StudyTruth) -> dict[str, float]:
    """Return every single number of the truth by name."""
    found: dict[str, float] = {}
    for entry in fields(truth):
        value = getattr(truth, entry.name)
        if isinstance(value, ByLevel):
            found |= {f"{entry.name}.{level}": getattr(value, level) for level in ("session", "patient", "therapist")}
        elif isinstance(value, int | float):
            found[entry.name] = float(value)
    return found


def _check_codes(truth: StudyTruth) -> None:
    """Raise if shares do not sum to one, or codes are unknown or in two categories."""
    shares = np.array(list(truth.code_shares.values()))
    if (shares <= 0).any() or abs(shares.sum() - 1) > 1e-9:
        raise ModelError.build(
            f"code_shares must be positive and sum to one; they sum to {shares.sum():.4f}.", hint="divide by their sum."
        )
    named = (*truth.supportive_codes, *truth.controlling_codes)
    odd = sorted({code for code in named if code not in truth.code_shares or named.count(code) > 1})
    if odd:
        raise ModelError.build(
            f"supportive_codes and controlling_codes name {listing(odd)}, which is not in code_shares or named twice.",
            hint="every code needs a share and belongs to one category at most.",
        )


def _check_items(truth: StudyTruth) -> None:
    """Raise if the items of the WAI-SR do not fit its form."""
    if len(truth.wai_facets) != 12 or len(truth.wai_item_shifts) != 12 or abs(sum(truth.wai_item_shifts)) > 1e-9:
        raise ModelError.build(
            "wai_facets and wai_item_shifts need 12 entries each, and the shifts must sum to zero.",
            hint="subtract their mean from the shifts, so that alliance_mean stays the mean of the items.",
        )
    if sorted(truth.wai_facets) != sorted(("task", "goal", "bond") * 4):
        raise ModelError.build("wai_facets must name task, goal and bond four times each.", hint="correct the list.")
