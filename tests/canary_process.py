"""Calls of the functions for process, statements, plots, tables and studies."""

from __future__ import annotations

import alliance_stats as al
from tests.canary_data import WORD
from tests.canary_parts import MAP, TALKS, Calls, changed, effects, gains, once_each, shares, simple

PROCESS: dict[str, Calls] = {
    "within_between": Calls(
        on_frame=lambda d, frame: al.within_between(frame, "wai"),
        works=(lambda d: al.within_between(d.frame, "wai", lag=1, detrend="linear"),),
        fails=(
            lambda d: al.within_between(d.frame, "name"),
            lambda d: al.within_between(d.frame, "wai", session="date", lag=1),
            lambda d: al.within_between(d.frame, "wai", levels=("name", "patient")),
        ),
    ),
    "level_effects": Calls(
        terms_on=("dates as sessions",),
        on_frame=lambda d, frame: al.level_effects(frame, "ors", "wai", covariates=("session",)),
        works=(effects,),
        fails=(
            lambda d: al.level_effects(d.frame, "ors", "name"),
            lambda d: al.level_effects(d.frame, "ors", "wai", covariates=("absent",)),
        ),
    ),
    "alliance_outcome": Calls(
        on_frame=lambda d, frame: al.alliance_outcome(frame, alliance="wai", outcome="ors", lag=1, detrend=None),
        fails=(lambda d: al.alliance_outcome(d.frame, alliance="name", outcome="note", lag=0, detrend=None),),
    ),
    "therapist_effects": Calls(
        costly=True,
        on_frame=lambda d, frame: al.therapist_effects(frame, "ors", covariates=["session"]),
        fails=(
            lambda d: al.therapist_effects(d.frame, "name"),
            lambda d: al.therapist_effects(d.frame, "ors", caseload=["note"]),
        ),
        terms_on=("dates as sessions",),
    ),
    "growth": Calls(
        costly=True,
        on_frame=lambda d, frame: al.growth(frame, "ors", form="linear"),
        fails=(
            lambda d: al.growth(d.frame, "name", form="linear"),
            lambda d: al.growth(d.frame, "ors", form="linear", time="date"),
        ),
    ),
    "early_response": Calls(
        costly=True,
        on_frame=lambda d, frame: al.early_response(frame, "ors", until=3),
        fails=(lambda d: al.early_response(d.frame, "ors", until=3, time="date"),),
    ),
    "contextual_test": Calls(
        works=(
            lambda d: al.contextual_test(
                al.alliance_outcome(
                    d.frame.drop(columns="therapist"), alliance="wai", outcome="ors", lag=1, detrend=None
                )
            ),
        ),
        fails=(lambda d: al.contextual_test(simple(d)), lambda d: al.contextual_test(d.frame)),
    ),
    "alliance_multiverse": Calls(
        works=(
            lambda d: al.alliance_multiverse(
                d.frame,
                question={"alliance": "wai", "outcome": "ors", "lag": 1},
                choices={"detrend": [None, "linear"]},
                progress=False,
            ),
        ),
        fails=(
            lambda d: al.alliance_multiverse(
                d.frame, question={"alliance": "name", "outcome": "ors", "lag": 1}, progress=False
            ),
        ),
    ),
    "plot_multiverse": Calls(
        works=(
            lambda d: al.plot_multiverse(
                al.alliance_multiverse(
                    d.frame,
                    question={"alliance": "wai", "outcome": "ors", "lag": 1},
                    choices={"detrend": [None, "linear"]},
                    progress=False,
                )
            ),
        ),
        fails=(lambda d: al.plot_multiverse(d.frame),),
    ),
    "defensible_choices": Calls(works=(lambda d: al.defensible_choices(),)),
    "review": Calls(
        works=(lambda d: al.review(simple(d)), lambda d: al.review([d.fit(), effects(d)])),
        fails=(lambda d: al.review(d.frame), lambda d: al.review([])),
    ),
    "sudden_gains": Calls(
        costly=True,
        on_frame=lambda d, frame: al.sudden_gains(
            frame, "ors", cutoff=2, criterion="gaynor", direction="higher_is_better"
        ),
        fails=(
            lambda d: al.sudden_gains(d.frame, "name", cutoff=2, criterion="gaynor", direction="higher_is_better"),
            lambda d: al.sudden_gains(d.frame, "ors", cutoff=2, criterion="none", direction="higher_is_better"),
        ),
    ),
    "list_gain_criteria": Calls(works=(lambda d: al.list_gain_criteria(),)),
    "load_gain_criterion": Calls(
        works=(lambda d: al.load_gain_criterion("gaynor"),), fails=(lambda d: al.load_gain_criterion("none"),)
    ),
    "around_gains": Calls(
        on_frame=lambda d, frame: al.around_gains(gains(d), frame, column="wai"),
        fails=(lambda d: al.around_gains(gains(d), d.frame, column="name"),),
    ),
    "ruptures": Calls(
        on_frame=lambda d, frame: al.ruptures(frame, alliance="wai", criterion="own_sd_step", repair=1.0),
        fails=(lambda d: al.ruptures(d.frame, alliance="note", criterion="gumz_1sd", repair=1.0),),
    ),
    "list_rupture_criteria": Calls(works=(lambda d: al.list_rupture_criteria(),)),
    "load_rupture_criterion": Calls(
        works=(lambda d: al.load_rupture_criterion("gumz_2sd"),), fails=(lambda d: al.load_rupture_criterion("none"),)
    ),
    "compare_gain_criteria": Calls(
        costly=True,
        on_frame=lambda d, frame: al.compare_gain_criteria(
            frame, "ors", cutoff=2, direction="higher_is_better", criteria=["tang_derubeis", "gaynor"]
        ),
    ),
    "compare_rupture_criteria": Calls(
        on_frame=lambda d, frame: al.compare_rupture_criteria(frame, alliance="wai", repair=1.0),
    ),
    "instability": Calls(
        on_frame=lambda d, frame: al.instability(frame, "wai"),
        fails=(lambda d: al.instability(d.frame, "wai", time="note"), lambda d: al.instability(d.frame, "name")),
    ),
    "synchrony": Calls(
        on_frame=lambda d, frame: al.synchrony(frame, ("wai", "ors"), window=3, lag_max=1, by="patient"),
        works=(
            lambda d: al.synchrony(
                d.frame.sort_values("therapist").assign(moment=range(len(d.frame))),
                ("wai", "ors"),
                window=5,
                lag_max=1,
                by="therapist",
                time="moment",
            ),
        ),
        fails=(lambda d: al.synchrony(d.frame, ("name", "ors"), window=3, lag_max=1, by="patient"),),
    ),
    "reciprocal": Calls(
        costly=True,
        on_frame=lambda d, frame: al.reciprocal(frame, "wai", "ors", waves=3),
        fails=(lambda d: al.reciprocal(d.frame, "name", "ors", waves=3),),
    ),
    "mediation": Calls(
        costly=True,
        on_frame=lambda d, frame: al.mediation(
            frame, "n_open_question", "wai", "ors", design="1-1-1", lags=(1, 1), slopes=("a", "b")
        ),
        fails=(lambda d: al.mediation(d.frame, "name", "wai", "note", design="1-1-1", lags=(0, 0)),),
    ),
    "list_codebooks": Calls(works=(lambda d: al.list_codebooks(),)),
    "load_codebook": Calls(
        works=(lambda d: al.load_codebook("helping_skills"),), fails=(lambda d: al.load_codebook("none"),)
    ),
    "statement_shares": Calls(
        on_frame=shares,
        works=(
            lambda d: al.statement_shares(
                d.frame.assign(code=[*("open_question", "challenge") * 90]), "helping_skills", code="code"
            ),
        ),
        fails=(
            lambda d: al.statement_shares(d.frame, "helping_skills", code="note"),
            lambda d: al.statement_shares(d.frame, "helping_skills", counts="n_{}", total="name"),
            lambda d: al.statement_shares(d.frame, None, counts={"supportive": ["name"]}),
            lambda d: al.statement_shares(d.frame.assign(n_open_question=-1), "helping_skills", counts="n_{}"),
        ),
    ),
    "share_associations": Calls(
        on_frame=lambda d, frame: al.share_associations(frame, ["wai"], "ors", initial="age"),
        works=(lambda d: al.share_associations(once_each(d), ["share_supportive"], "ors"),),
        fails=(lambda d: al.share_associations(once_each(d), ["share_supportive"], "name"),),
    ),
    "share_contrasts": Calls(
        on_frame=lambda d, frame: al.share_contrasts(frame, d.frame, ["wai"]),
        works=(lambda d: al.share_contrasts(once_each(d).head(15), once_each(d).tail(15), ["share_supportive"]),),
        fails=(lambda d: al.share_contrasts(once_each(d), once_each(d), ["name"]),),
    ),
    "simulate_study": Calls(
        works=(lambda d: al.simulate_study(n_therapists=4, n_patients=12, sessions=(2, 4), seed=1),),
        fails=(lambda d: al.simulate_study(n_therapists=0, seed=1),),
    ),
    "implied_values": Calls(works=(lambda d: al.implied_values(al.StudyTruth()),)),
    "plot": Calls(
        works=(lambda d: al.plot(simple(d)), lambda d: al.plot(al.check_sessions(d.frame, date="date"))),
        fails=(lambda d: al.plot(d.frame), lambda d: al.plot(WORD)),
    ),
    "plot_associations": Calls(
        works=(lambda d: al.plot_associations(al.share_associations(once_each(d), ["share_supportive"], "ors")),),
        fails=(lambda d: al.plot_associations(simple(d)),),
    ),
    "plot_coefficients": Calls(
        works=(lambda d: al.plot_coefficients(effects(d)), lambda d: al.plot_coefficients(d.fit())),
        fails=(lambda d: al.plot_coefficients(d.frame),),
    ),
    "plot_reliability": Calls(
        works=(lambda d: al.plot_reliability(al.reliability(d.frame, "wai_{}")),),
        fails=(lambda d: al.plot_reliability(d.frame),),
    ),
    "plot_reliable_change": Calls(
        works=(lambda d: al.plot_reliable_change(changed(d)),), fails=(lambda d: al.plot_reliable_change(d.frame),)
    ),
    "plot_shares": Calls(
        works=(lambda d: al.plot_shares(shares(d)),),
        fails=(lambda d: al.plot_shares(d.frame), lambda d: al.plot_shares(WORD)),
    ),
    "plot_trajectories": Calls(
        works=(lambda d: al.plot_trajectories(effects(d)),), fails=(lambda d: al.plot_trajectories(d.frame),)
    ),
    "plot_within_between": Calls(
        works=(lambda d: al.plot_within_between(effects(d)),),
        fails=(
            lambda d: al.plot_within_between(effects(d), predictor="name"),
            lambda d: al.plot_within_between(d.frame),
        ),
    ),
    "table": Calls(
        works=(
            lambda d: al.table(simple(d), d.fit(), name="models"),
            lambda d: al.table(effects(d)),
            lambda d: al.table(al.check_sessions(d.frame)),
        ),
        fails=(lambda d: al.table(), lambda d: al.table(WORD), lambda d: al.table(simple(d), models=["a", "b"])),
    ),
    "sentence": Calls(
        works=(lambda d: al.sentence(effects(d)), lambda d: al.sentence(al.reliability(d.frame, "wai_{}"))),
        fails=(lambda d: al.sentence(d.frame), lambda d: al.sentence(effects(d), "nobody")),
    ),
    "list_studies": Calls(works=(lambda d: al.list_studies(),)),
    "run_study": Calls(
        fails=(
            lambda d: al.run_study("none"),
            lambda d: al.run_study("therapist-statements", data=d.folder / "ward.csv"),
            lambda d: al.run_study(
                "therapist-statements",
                data=d.folder / "ward.csv",
                columns=d.file("other.toml", MAP.replace('"ors"', '"name"')),
            ),
            lambda d: al.run_study(
                "therapist-statements",
                data=d.folder / "absent.csv",
                columns=d.file("map.toml", MAP),
                out=d.folder / "out",
            ),
            lambda d: al.run_study("therapist-statements", data=d.folder, columns=d.file("talks.toml", TALKS)),
        ),
    ),
}
