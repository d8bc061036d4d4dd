"""Calls of the functions that fit and question mixed models."""

from __future__ import annotations

import alliance_stats as al
from tests.canary_data import WORD
from tests.canary_parts import Calls, simple

MODELS: dict[str, Calls] = {
    "lmm": Calls(
        on_frame=lambda d, frame: al.lmm("ors ~ session * arm + (1 | patient) + (1 | therapist)", frame),
        works=(
            lambda d: d.fit("ors ~ session + (session | patient)", method="ML"),
            lambda d: d.fit("ors ~ session + (1 | site / therapist / patient)"),
            lambda d: d.fit("ors ~ session + (1 | dyad)", weights="age"),
        ),
        fails=(
            lambda d: al.lmm("name ~ session + (1 | patient)", d.frame),
            lambda d: al.lmm("ors ~ note_ + (1 | patient)", d.frame),
            lambda d: al.lmm("ors ~ session + (1 | patient_)", d.frame),
            lambda d: al.lmm("ors ~ session + (date | patient)", d.frame),
            lambda d: al.lmm("ors ~ session + (1 | patient:date:name)", d.frame),
            lambda d: al.lmm("ors ~ log(ors - 40) + (1 | patient)", d.frame),
            lambda d: al.lmm("ors ~ note * 'x + (1 | patient)", d.frame),
            lambda d: al.lmm("ors ~ np.log(name) + (1 | patient)", d.frame),
            lambda d: al.lmm("ors ~ poly(name, 2) + (1 | patient)", d.frame),
            lambda d: al.lmm("ors ~ session + (1 | patient)", d.frame, weights="name"),
            lambda d: al.lmm("ors ~ session + (1 | patient)", d.frame, residual=al.ar1("date", by="patient")),
            lambda d: al.lmm("ors ~ session + (1 | patient)", d.frame, residual=al.ar1("session", by="site")),
            lambda d: simple(d).predict(d.frame.drop(columns="session")),
            lambda d: simple(d).predict(d.frame.assign(session=d.frame["note"])),
            lambda d: d.fit().predict(d.frame.assign(arm=d.frame["name"])),
            lambda d: simple(d).random_effects("nobody"),
            lambda d: simple(d).refit(d.frame["name"].to_numpy()),
        ),
        own_data=("levels",),
        terms_on=("dates as sessions",),
    ),
    "ar1": Calls(works=(lambda d: d.fit("ors ~ session + (1 | therapist)", residual=al.ar1("session", by="patient")),)),
    "car1": Calls(
        works=(lambda d: d.fit("ors ~ session + (1 | therapist)", residual=al.car1("session", by="patient")),),
        fails=(lambda d: al.lmm("ors ~ 1 + (1 | therapist)", d.frame, residual=al.car1("phone", by="patient")),),
    ),
    "compound_symmetry": Calls(
        works=(lambda d: d.fit("ors ~ session + (1 | therapist)", residual=al.compound_symmetry(by="patient")),),
        fails=(lambda d: al.lmm("ors ~ 1 + (1 | therapist)", d.frame, residual=al.compound_symmetry(by="x")),),
    ),
    "variance_by": Calls(
        works=(lambda d: d.fit("ors ~ session + (1 | therapist)", residual=al.variance_by("arm")),),
        fails=(lambda d: al.lmm("ors ~ 1 + (1 | therapist)", d.frame, residual=al.variance_by("note")),),
    ),
    "autocorrelation_check": Calls(
        on_frame=lambda d, frame: al.autocorrelation_check(
            "ors ~ session + (1 | therapist)", frame, residual=al.ar1("session", by="patient")
        ),
    ),
    "cross_check": Calls(works=(lambda d: al.cross_check(simple(d), engines=["statsmodels"]),)),
    "case_bootstrap": Calls(
        works=(lambda d: al.case_bootstrap(simple(d), 20, seed=1, progress=False),),
        fails=(lambda d: al.case_bootstrap(simple(d), 20, seed=1, by=["name"], progress=False),),
    ),
    "parametric_bootstrap": Calls(
        works=(lambda d: al.parametric_bootstrap(simple(d), 20, seed=1, progress=True),),
        fails=(
            lambda d: al.parametric_bootstrap(
                simple(d), 5, seed=1, progress=False, statistic=lambda fit: {"a": WORD[99]}
            ),
            lambda d: al.parametric_bootstrap(simple(d), 0, seed=1, progress=False),
        ),
    ),
    "marginal_means": Calls(
        works=(lambda d: al.marginal_means(d.fit(), "arm"),),
        fails=(
            lambda d: al.marginal_means(d.fit(), "patient"),
            lambda d: al.marginal_means(d.fit(), "nobody"),
            lambda d: al.marginal_means(d.fit(), "arm", at={"session": [None]}),
            lambda d: al.marginal_means(d.fit(), "arm", robust="CR2", cluster="name"),
        ),
    ),
    "slopes": Calls(
        works=(lambda d: al.slopes(d.fit(), "session", by="arm"),),
        fails=(lambda d: al.slopes(d.fit(), "patient"), lambda d: al.slopes(d.fit(), "arm", by="name")),
    ),
    "contrasts": Calls(
        works=(lambda d: al.contrasts(al.marginal_means(d.fit(), "arm")),),
        fails=(lambda d: al.contrasts(al.marginal_means(d.fit(), "arm"), kind="reference", reference="nobody"),),
    ),
    "johnson_neyman": Calls(
        works=(lambda d: al.johnson_neyman(d.fit("ors ~ wai * age + (1 | patient)"), "wai", moderator="age"),),
        fails=(lambda d: al.johnson_neyman(d.fit(), "session", moderator="patient"),),
    ),
    "predict_interval": Calls(
        on_frame=lambda d, frame: al.predict_interval(d.fit(), frame),
        works=(lambda d: al.predict_interval(simple(d), d.frame, kind="prediction", random=True),),
        fails=(
            lambda d: al.predict_interval(d.fit(), d.frame.assign(arm=d.frame["name"])),
            lambda d: al.predict_interval(simple(d), d.frame.assign(session=d.frame["note"])),
            lambda d: al.predict_interval(simple(d), d.frame.assign(patient=f"{WORD} new"), random=True),
        ),
    ),
    "coefficient_tests": Calls(
        works=(
            lambda d: al.coefficient_tests(d.fit()),
            lambda d: al.coefficient_tests(simple(d), robust="CR2", cluster="therapist"),
        ),
        fails=(
            lambda d: al.coefficient_tests(simple(d), robust="CR2", cluster="name"),
            lambda d: al.coefficient_tests(simple(d), robust="CR2", cluster=d.frame["name"].to_numpy()[:9]),
        ),
    ),
    "term_tests": Calls(
        works=(lambda d: al.term_tests(d.fit()),), fails=(lambda d: al.term_tests(d.fit(), robust="CR9"),)
    ),
    "confidence_intervals": Calls(
        works=(lambda d: al.confidence_intervals(simple(d), progress=False),),
        fails=(lambda d: al.confidence_intervals(simple(d), method="bootstrap", n=5, progress=False),),
    ),
    "compare": Calls(
        works=(lambda d: al.compare(d.fit("ors ~ session + (1 | patient)"), simple(d)),),
        fails=(
            lambda d: al.compare(simple(d)),
            lambda d: al.compare(simple(d), al.lmm("ors ~ 1 + (1 | patient)", d.frame.iloc[:80])),
            lambda d: al.compare(simple(d), d.fit("wai ~ session + (1 | patient)")),
        ),
    ),
    "random_effect_tests": Calls(works=(lambda d: al.random_effect_tests(simple(d), progress=False),)),
    "diagnose": Calls(
        works=(lambda d: al.diagnose(simple(d), groups=["therapist"], progress=False),),
        fails=(lambda d: al.diagnose(simple(d), groups=["name"], progress=False),),
        own_data=("tidy", "levels"),
    ),
}
