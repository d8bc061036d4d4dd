"""Alliance ratings, session outcomes and the mixed-effects models that connect them.

The public names stand in the order a study uses them. They are loaded when first used, so that importing the package
stays cheap.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "alliance_stats.loaders.sessions": ("read_sessions",),
    "alliance_stats.loaders.samples": ("list_samples", "load_sample", "sample_card"),
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
    "alliance_stats.mixed.lmm": ("lmm",),
    "alliance_stats.mixed.fit": ("LmmFit",),
    "alliance_stats.mixed.crosscheck": ("CrossCheck", "cross_check"),
    "alliance_stats.process.centering": ("within_between",),
    "alliance_stats.process.level_effects": ("LevelEffects", "level_effects"),
    "alliance_stats.process.alliance_outcome": ("AllianceOutcome", "alliance_outcome"),
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
        "plot_reliability",
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
