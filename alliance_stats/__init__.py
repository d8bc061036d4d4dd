"""Alliance ratings, session outcomes and the mixed-effects models that connect them.

The public names stand in the order a study uses them. They are loaded when first used, so that importing the package
stays cheap.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "alliance_stats.loaders.sessions": ("read_sessions",),
    "alliance_stats.loaders.qualtrics": ("read_qualtrics",),
    "alliance_stats.loaders.redcap": ("read_redcap",),
    "alliance_stats.loaders.labels": ("ColumnLabels", "labels"),
    "alliance_stats.loaders.missing_reasons": ("missing_reasons",),
    "alliance_stats.loaders.codebook": ("codebook",),
    "alliance_stats.loaders.writers": ("write_sessions",),
    "alliance_stats.loaders.pseudonyms": ("pseudonymise",),
    "alliance_stats.loaders.disclosure": ("KAnonymity", "k_anonymity", "suppress_small_cells"),
    "alliance_stats.loaders.session_check": ("SessionCheck", "check_sessions"),
    "alliance_stats.loaders.reshape": ("preview_long", "to_long", "to_wide"),
    "alliance_stats.loaders.samples": ("list_samples", "load_sample", "sample_card"),
    "alliance_stats.loaders.datasets": ("fetch_dataset", "list_datasets"),
    "alliance_stats.loaders.column_map": (
        "ColumnMap",
        "list_column_maps",
        "read_column_map",
        "read_comparison",
        "read_study_data",
    ),
    "alliance_stats.loaders.courses": ("course_table",),
    "alliance_stats.scales.instrument": ("Instrument", "list_instruments", "load_instrument"),
    "alliance_stats.scales.scoring": ("score",),
    "alliance_stats.scales.measures": ("add_measure",),
    "alliance_stats.scales.published": ("PublishedTotals", "compare_totals"),
    "alliance_stats.scales.reliability": ("Reliability", "reliability"),
    "alliance_stats.scales.omega": ("Omega", "omega"),
    "alliance_stats.scales.within_omega": ("MultilevelOmega", "multilevel_omega"),
    "alliance_stats.scales.factor_number": ("ParallelAnalysis", "parallel_analysis"),
    "alliance_stats.scales.factor_analysis": ("FactorAnalysis", "factor_analysis"),
    "alliance_stats.scales.confirmatory": ("Confirmatory", "confirmatory"),
    "alliance_stats.scales.generalizability": ("Generalizability", "generalizability"),
    "alliance_stats.scales.multilevel_reliability": ("MultilevelReliability", "multilevel_reliability"),
    "alliance_stats.scales.dependability": ("Dependability", "dependability"),
    "alliance_stats.scales.agreement": ("Agreement", "agreement"),
    "alliance_stats.scales.agreement_bootstrap": ("AgreementInterval",),
    "alliance_stats.scales.rating_table": ("RatingLayout",),
    "alliance_stats.scales.audit": ("ScoreAudit", "audit_scores"),
    "alliance_stats.scales.cutoffs": ("Cutoff", "Norm", "clinical_cutoff"),
    "alliance_stats.scales.change_index": ("MeasurementError",),
    "alliance_stats.scales.reliable_change": ("ReliableChange", "reliable_change"),
    "alliance_stats.scales.change_threshold": ("threshold_change",),
    "alliance_stats.scales.change_slopes": ("multilevel_change",),
    "alliance_stats.scales.clinical_significance": ("ClinicalSignificance", "clinical_significance"),
    "alliance_stats.scales.couples": ("CoupleChange", "couple_change"),
    "alliance_stats.mixed.lmm": ("lmm",),
    "alliance_stats.mixed.fit": ("LmmFit",),
    "alliance_stats.mixed.residuals": ("ResidualStructure", "ar1", "car1", "compound_symmetry", "variance_by"),
    "alliance_stats.inference.residual_comparison": ("ResidualComparison", "autocorrelation_check"),
    "alliance_stats.mixed.crosscheck": ("CrossCheck", "cross_check"),
    "alliance_stats.inference.bootstrap": ("Bootstrap", "case_bootstrap", "parametric_bootstrap"),
    "alliance_stats.inference.marginal_means": ("MarginalMeans", "marginal_means"),
    "alliance_stats.inference.slopes": ("Slopes", "slopes"),
    "alliance_stats.inference.contrasts": ("Contrasts", "contrasts"),
    "alliance_stats.inference.johnson_neyman": ("JohnsonNeyman", "johnson_neyman"),
    "alliance_stats.inference.prediction_intervals": ("predict_interval",),
    "alliance_stats.inference.coefficient_tests": ("CoefficientTests", "coefficient_tests"),
    "alliance_stats.inference.term_tests": ("TermTests", "term_tests"),
    "alliance_stats.inference.confidence_intervals": ("ConfidenceIntervals", "confidence_intervals"),
    "alliance_stats.inference.comparison": ("Comparison", "compare"),
    "alliance_stats.inference.model_average": ("ModelAverage",),
    "alliance_stats.inference.random_effect_tests": ("RandomEffectTests", "random_effect_tests"),
    "alliance_stats.inference.diagnostics": ("Diagnostics", "diagnose"),
    "alliance_stats.process.centering": ("within_between",),
    "alliance_stats.process.level_effects": ("LevelEffects", "level_effects"),
    "alliance_stats.process.therapist_effects": ("TherapistEffects", "therapist_effects"),
    "alliance_stats.process.growth": ("Growth", "growth"),
    "alliance_stats.process.early_response": ("EarlyResponse", "early_response"),
    "alliance_stats.process.alliance_outcome": ("AllianceOutcome", "AllianceOutcomes", "alliance_outcome"),
    "alliance_stats.process.outcome_model": ("Adjustments", "OutcomeModel"),
    "alliance_stats.process.contextual": ("ContextualTest", "contextual_test"),
    "alliance_stats.process.multiverse": ("Multiverse", "alliance_multiverse"),
    "alliance_stats.process.multiverse_choices": ("defensible_choices",),
    "alliance_stats.process.review.methods_review": ("MethodsReview", "review"),
    "alliance_stats.process.sudden_gains": ("SuddenGains", "sudden_gains"),
    "alliance_stats.process.gain_criteria": ("GainCriterion", "list_gain_criteria", "load_gain_criterion"),
    "alliance_stats.process.gain_matching": ("GainContrast", "around_gains"),
    "alliance_stats.process.ruptures": ("Ruptures", "ruptures"),
    "alliance_stats.process.rupture_criteria": (
        "RuptureCriterion",
        "list_rupture_criteria",
        "load_rupture_criterion",
    ),
    "alliance_stats.process.criteria_overlap": (
        "CriteriaOverlap",
        "compare_gain_criteria",
        "compare_rupture_criteria",
    ),
    "alliance_stats.process.instability": ("Instability", "instability"),
    "alliance_stats.process.synchrony": ("Surrogates", "Synchrony", "synchrony"),
    "alliance_stats.process.reciprocal": ("Reciprocal", "reciprocal"),
    "alliance_stats.process.mediation": ("Mediation", "mediation"),
    "alliance_stats.coding.codebooks": ("Codebook", "list_codebooks", "load_codebook"),
    "alliance_stats.coding.shares": ("statement_shares",),
    "alliance_stats.coding.associations": ("ShareAssociations", "share_associations"),
    "alliance_stats.coding.contrasts": ("ShareContrasts", "share_contrasts"),
    "alliance_stats.planning.simulate": ("SimulatedStudy", "simulate_study"),
    "alliance_stats.planning.truth": ("ByLevel", "StudyTruth", "implied_values"),
    "alliance_stats.plots": (
        "plot",
        "plot_associations",
        "plot_coefficients",
        "plot_multiverse",
        "plot_reliability",
        "plot_reliable_change",
        "plot_shares",
        "plot_trajectories",
        "plot_within_between",
    ),
    "alliance_stats.report.tables": ("Table", "table"),
    "alliance_stats.report.sentences": ("sentence",),
    "alliance_stats.studies": ("StudyRun", "list_studies", "run_study"),
    "alliance_stats.errors": (
        "AllianceStatsError",
        "AllianceStatsWarning",
        "ColumnError",
        "ConvergenceError",
        "DataError",
        "FileError",
        "FormulaError",
        "InstrumentError",
        "ModelError",
        "StudyError",
    ),
    "alliance_stats.result": ("Result",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
__all__ = [*_HOME_OF, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'alliance_stats' has no attribute '{name}'")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
