"""List and run the bundled studies; they are the notebooks."""

from __future__ import annotations

from alliance_stats.studies.registry import list_studies
from alliance_stats.studies.runner import StudyRun, run_study

__all__ = ["StudyRun", "list_studies", "run_study"]
