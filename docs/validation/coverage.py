"""How often 95 % intervals hold the truth, in simulated studies with 12 therapists.

Makes coverage.csv and coverage.png beside this file: ``python docs/validation/coverage.py`` (about an hour on two cores;
``--studies`` and ``--resamples`` make it shorter).
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

import alliance_stats as al

HERE = Path(__file__).parent
N_THERAPISTS = 12
TRUTH = {"training": 0.0, "severity": 0.4, "alliance": 0.3}
SD = {"sd_therapist": 0.6, "sd_patient": 0.9, "sd_residual": 1.0}
LEVEL = 0.95


@dataclass(frozen=True)
class Study:
    """One simulated study: 12 therapists with 3 to 9 patients of 3 to 8 sessions each."""

    frame: pd.DataFrame


def simulate(seed: np.random.SeedSequence) -> Study:
    """Return a study with a predictor of each level: the therapist's training, the patient's severity, the session's alliance."""
    rng = np.random.default_rng(seed)
    n_patients = rng.integers(3, 10, N_THERAPISTS)
    therapist_of = np.repeat(np.arange(N_THERAPISTS), n_patients)
    n_sessions = rng.integers(3, 9, therapist_of.size)
    patient = np.repeat(np.arange(therapist_of.size), n_sessions)
    therapist = therapist_of[patient]
    training = rng.standard_normal(N_THERAPISTS)
    severity = rng.standard_normal(therapist_of.size)
    alliance = rng.standard_normal(patient.size)
    outcome = (
        TRUTH["training"] * training[therapist]
        + TRUTH["severity"] * severity[patient]
        + TRUTH["alliance"] * alliance
        + SD["sd_therapist"] * rng.standard_normal(N_THERAPISTS)[therapist]
        + SD["sd_patient"] * rng.standard_normal(therapist_of.size)[patient]
        + SD["sd_residual"] * rng.standard_normal(patient.size)
    )
    columns = {
        "therapist": therapist,
        "patient": patient,
        "training": training[therapist],
        "severity": severity[patient],
    }
    return Study(pd.DataFrame({**columns, "alliance": alliance, "outcome": outcome}))


def tests_of(fit: al.LmmFit) -> dict[str, pd.DataFrame]:
    """Return the intervals of fixed effects by each method of testing."""
    methods = {name: {"df": name} for name in ("normal", "between_within", "satterthwaite", "kenward_roger")}
    tables = {name: al.coefficient_tests(fit, level=LEVEL, **options).tidy() for name, options in methods.items()}
    tables["CR2"] = al.coefficient_tests(fit, robust="CR2", cluster="therapist", level=LEVEL).tidy()
    return tables


def intervals(study: Study, seed: np.random.SeedSequence, resamples: int) -> list[tuple[str, str, float, float]]:
    """Return method, quantity and limits of every interval of one study."""
    fit = al.lmm("outcome ~ training + severity + alliance + (1 | therapist) + (1 | patient)", study.frame)
    rows = []
    for method, table in tests_of(fit).items():
        for term in TRUTH:
            row = table.set_index("term").loc[term]
            rows.append((method, term, float(row["conf_low"]), float(row["conf_high"])))
    rows += _with_sds("profile", al.confidence_intervals(fit, method="profile", level=LEVEL).tidy())
    if resamples:
        number = int(seed.generate_state(1)[0])
        draws = al.parametric_bootstrap(fit, resamples, seed=number, progress=False)
        rows += _with_sds("bootstrap", draws.intervals(kind="percentile", level=LEVEL))
    return rows


def _with_sds(method: str, table: pd.DataFrame) -> list[tuple[str, str, float, float]]:
    """Return the intervals of fixed effects and standard deviations."""
    names = {"sd_therapist": "therapist", "sd_patient": "patient"}
    rows = []
    for term in TRUTH:
        row = table[(table["kind"] == "fixed") & (table["term"] == term)].iloc[0]
        rows.append((method, term, float(row["conf_low"]), float(row["conf_high"])))
    for name, group in names.items():
        row = table[(table["kind"] == "sd") & (table["group"] == group)].iloc[0]
        rows.append((method, name, float(row["conf_low"]), float(row["conf_high"])))
    row = table[table["kind"] == "residual_sd"].iloc[0]
    rows.append((method, "sd_residual", float(row["conf_low"]), float(row["conf_high"])))
    return rows


def one_study(seed: np.random.SeedSequence, resamples: int) -> list[tuple[str, str, float, float]]:
    """Return the intervals of one simulated study."""
    first, second = seed.spawn(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return intervals(simulate(first), second, resamples)


def summarise(rows: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    """Return coverage, its Monte Carlo error and the median width, one row per method and quantity."""
    table = pd.DataFrame(rows, columns=["method", "term", "conf_low", "conf_high"])
    truth = table["term"].map({**TRUTH, **SD})
    table["covered"] = (table["conf_low"] <= truth) & (truth <= table["conf_high"])
    table["below"] = table["conf_high"] < truth
    table["width"] = table["conf_high"] - table["conf_low"]
    found = table.groupby(["method", "term"], sort=False).agg(
        n=("covered", "size"),
        coverage=("covered", "mean"),
        missed_below=("below", "mean"),
        median_width=("width", "median"),
    )
    found["monte_carlo_error"] = np.sqrt(found["coverage"] * (1 - found["coverage"]) / found["n"])
    return found.reset_index()


def draw(found: pd.DataFrame, path: Path) -> None:
    """Draw the coverage of each method, one panel per quantity, with the band of Monte Carlo error around 95 %."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    words = {
        "training": "slope of a therapist's property",
        "severity": "slope of a patient's property",
        "alliance": "slope of a session's rating",
        "sd_therapist": "SD of therapists",
        "sd_patient": "SD of patients",
        "sd_residual": "residual SD",
    }
    figure, panels = pyplot.subplots(2, 3, figsize=(11, 6.5), sharex=True, layout="constrained")
    for panel, (term, title) in zip(panels.ravel(), words.items(), strict=True):
        own = found[found["term"] == term].iloc[::-1]
        n = int(own["n"].max())
        half = 1.96 * np.sqrt(LEVEL * (1 - LEVEL) / n)
        panel.axvspan(LEVEL - half, LEVEL + half, color="#DDDDDD")
        panel.axvline(LEVEL, color="#6E6E6E", linewidth=1)
        panel.errorbar(
            own["coverage"], own["method"], xerr=1.96 * own["monte_carlo_error"], fmt="o", color="#0072B2", capsize=3
        )
        panel.set_title(title, fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(
        f"share of {n} studies whose 95 % interval holds the truth; grey: 95 % give or take Monte Carlo error"
    )
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the studies and write table and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=199)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args()
    seeds = np.random.SeedSequence(20240412).spawn(given.studies)
    jobs = Parallel(n_jobs=given.workers, return_as="generator")(
        delayed(one_study)(seed, given.resamples) for seed in seeds
    )
    rows = [row for study in tqdm(jobs, total=given.studies) for row in study]
    found = summarise(rows)
    found.round(4).to_csv(given.out / "coverage.csv", index=False)
    draw(found, given.out / "coverage.png")


if __name__ == "__main__":
    main()
