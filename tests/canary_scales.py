"""Calls of the functions that score and judge instruments."""

from __future__ import annotations

from dataclasses import replace

import alliance_stats as al
from tests.canary_data import ITEMS, WORD
from tests.canary_parts import Calls, changed, column_map, measured_error, significance

SCALES: dict[str, Calls] = {
    "list_instruments": Calls(works=(lambda d: al.list_instruments(),)),
    "load_instrument": Calls(
        works=(lambda d: al.load_instrument("wai_sr"),),
        fails=(lambda d: al.load_instrument("none"), lambda d: al.load_instrument("wai_sr", form="none")),
    ),
    "score": Calls(
        on_frame=lambda d, frame: al.score(frame, "wai_sr", items="wai_{}"),
        works=(lambda d: al.score(d.frame.assign(wai_1=99.0), "wai_sr", items="wai_{}", out_of_range="missing"),),
        fails=(
            lambda d: al.score(d.frame, "wai_sr", items=["name", *ITEMS[1:]]),
            lambda d: al.score(d.frame, "wai_sr", items=["phone", *ITEMS[1:]]),
            lambda d: al.score(d.frame, "wai_sr", items="n_{}"),
            lambda d: al.score(d.frame, "none", items="wai_{}"),
        ),
    ),
    "add_measure": Calls(
        on_frame=lambda d, frame: al.add_measure(frame, column_map(d).alliance, name="alliance"),
        fails=(
            lambda d: al.add_measure(d.frame, column_map(d).outcome, name="note"),
            lambda d: al.add_measure(d.frame, replace(column_map(d).outcome, column="name"), name="alliance"),
        ),
    ),
    "compare_totals": Calls(
        on_frame=lambda d, frame: al.compare_totals(frame, "ors", "wai"),
        fails=(lambda d: al.compare_totals(d.frame, "ors", "note"),),
    ),
    "reliability": Calls(
        on_frame=lambda d, frame: al.reliability(frame, "wai_{}"),
        works=(lambda d: al.reliability(d.frame, "wai_{}", cluster="patient"),),
        fails=(
            lambda d: al.reliability(d.frame, ["wai_1", "name"]),
            lambda d: al.reliability(d.frame, "wai_{}", cluster="x"),
        ),
    ),
    "omega": Calls(
        on_frame=lambda d, frame: al.omega(frame, "wai_{}"), fails=(lambda d: al.omega(d.frame, ["name", "note"]),)
    ),
    "multilevel_omega": Calls(on_frame=lambda d, frame: al.multilevel_omega(frame, list(ITEMS[:4]))),
    "parallel_analysis": Calls(costly=True, on_frame=lambda d, frame: al.parallel_analysis(frame, "wai_{}", seed=1)),
    "factor_analysis": Calls(on_frame=lambda d, frame: al.factor_analysis(frame, "wai_{}", 2)),
    "confirmatory": Calls(
        on_frame=lambda d, frame: al.confirmatory(frame, {"bond": list(ITEMS[:4])}),
        fails=(lambda d: al.confirmatory(d.frame, {"bond": ["name", "note", "wai_1"]}),),
    ),
    "generalizability": Calls(
        on_frame=lambda d, frame: al.generalizability(frame, "wai_{}", nested={"session": "patient"}),
        fails=(lambda d: al.generalizability(d.frame, "wai_{}", objects="name", facets=("date",)),),
    ),
    "multilevel_reliability": Calls(
        costly=True,
        on_frame=lambda d, frame: al.multilevel_reliability(frame, "wai_{}"),
    ),
    "dependability": Calls(
        on_frame=lambda d, frame: al.dependability(al.generalizability(frame, "wai_{}", nested={"session": "patient"})),
        fails=(lambda d: al.dependability(al.multilevel_reliability(d.frame, "wai_{}"), counts={"nobody": 3}),),
    ),
    "agreement": Calls(
        on_frame=lambda d, frame: al.agreement(frame, ["wai_1", "wai_2"], method="cohen_kappa"),
        works=(
            lambda d: al.agreement(
                d.frame,
                "wai_1",
                method="icc",
                layout=al.RatingLayout(kind="long", unit=("dyad", "session"), rater="patient"),
            ),
            lambda d: al.agreement(d.frame, ["wai_1", "wai_2"], method="cohen_kappa", by="arm"),
        ),
        fails=(
            lambda d: al.agreement(d.frame, ["name", "note"], method="cohen_kappa", weights="quadratic"),
            lambda d: al.agreement(d.frame, ["name", "note"], method="icc"),
            lambda d: al.agreement(
                d.frame,
                "name",
                method="krippendorff_alpha",
                layout=al.RatingLayout(kind="long", unit="patient", rater="therapist"),
            ),
        ),
    ),
    "audit_scores": Calls(
        on_frame=lambda d, frame: al.audit_scores(frame, "wai_sr", items="wai_{}", published="wai"),
        fails=(lambda d: al.audit_scores(d.frame, "wai_sr", items="wai_{}", published="name"),),
    ),
    "clinical_cutoff": Calls(
        works=(lambda d: al.clinical_cutoff("given", direction="higher_is_worse", value=9.5),),
        fails=(lambda d: al.clinical_cutoff("c", direction="higher_is_worse"),),
    ),
    "reliable_change": Calls(
        on_frame=lambda d, frame: changed(d, frame),
        works=(changed, lambda d: d.once("by site", lambda: changed(d))),
        fails=(
            lambda d: changed(d, d.pairs().assign(pre=f"{WORD}")),
            lambda d: al.reliable_change(
                d.pairs(),
                ("name", "post"),
                method="jacobson_truax",
                direction="higher_is_better",
                error=measured_error(),
            ),
        ),
        own_data=("frame",),
    ),
    "threshold_change": Calls(
        on_frame=lambda d, frame: al.threshold_change(
            frame, ("wai", "ors"), direction="higher_is_better", unit="percent", improvement=50
        ),
        fails=(
            lambda d: al.threshold_change(
                d.frame, ("name", "ors"), direction="higher_is_better", unit="percent", improvement=50
            ),
        ),
        own_data=("frame",),
    ),
    "multilevel_change": Calls(
        on_frame=lambda d, frame: al.multilevel_change(
            frame, "ors", direction="higher_is_better", compare_with="no_change"
        ),
        fails=(
            lambda d: al.multilevel_change(
                d.frame, "ors", direction="higher_is_better", compare_with="no_change", time="date"
            ),
            lambda d: al.multilevel_change(d.frame, "name", direction="higher_is_better", compare_with="no_change"),
        ),
        own_data=("frame",),
    ),
    "clinical_significance": Calls(
        works=(significance,),
        fails=(lambda d: al.clinical_significance(changed(d), {}, by="name"),),
        own_data=("frame",),
    ),
    "couple_change": Calls(
        works=(lambda d: al.couple_change(changed(d), role="role"), lambda d: al.couple_change(significance(d))),
        fails=(
            lambda d: al.couple_change(changed(d), dyad="site"),
            lambda d: al.couple_change(changed(d), dyad="absent"),
            lambda d: al.couple_change(changed(d), role="name"),
        ),
        own_data=("frame",),
    ),
}
