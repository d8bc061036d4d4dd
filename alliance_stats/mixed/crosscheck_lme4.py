"""The same model fitted by R's lme4, where Rscript is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pandas as pd

from alliance_stats.mixed.crosscheck_quantities import (
    COVARIANCE,
    CRITERION,
    FIXED_EFFECT,
    SIGMA,
    STD_ERROR,
    VARIANCE,
    Key,
    OtherFit,
    fixed_columns,
    one_line,
    random_columns,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Codes, Floats

NO_LME4 = 3
"""Status with which the script ends if lme4 is not installed."""

FIT_FAILED = 4
"""Status with which the script ends if lmer() stops with an error; the reason is in its output file."""

R_SCRIPT = r"""
args <- commandArgs(TRUE)
if (!suppressWarnings(suppressMessages(require("lme4", quietly = TRUE)))) quit(status = 3)
d <- read.csv(args[1]); reml <- args[4] == "REML"
w <- if ("w" %in% names(d)) d$w else rep(1, nrow(d))
for (name in grep("^g[0-9]+$", names(d), value = TRUE)) d[[name]] <- factor(d[[name]])
said <- character(0)
note <- function(x) said <<- unique(c(said, conditionMessage(x)))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-2, rhoend = 1e-9, maxfun = 1e5), calc.derivs = FALSE,
  check.conv.singular = "ignore", check.scaleX = "ignore", check.nobs.vs.nlev = "ignore", check.nobs.vs.rankZ = "ignore",
  check.nobs.vs.nRE = "ignore", check.nlev.gtr.1 = "ignore")
run <- function(start, control) withCallingHandlers(
  lmer(as.formula(args[3]), d, REML = reml, weights = w, control = control, start = start),
  warning = function(x) { note(x); invokeRestart("muffleWarning") },
  message = function(x) { note(x); invokeRestart("muffleMessage") })
wide <- tight; wide$optCtrl$rhobeg <- 0.2
m <- tryCatch({ first <- run(NULL, wide); run(getME(first, "theta"), tight) }, error = function(e) e)
if (inherits(m, "error")) {
  write.table(data.frame("error", conditionMessage(m)), args[2], sep = "\t", quote = FALSE, row.names = FALSE,
    col.names = FALSE)
  quit(status = 4)
}
exact <- function(x) sprintf("%.17g", x)
lines <- c(paste("version", as.character(packageVersion("lme4")), sep = "\t"))
lines <- c(lines, paste("criterion", exact(-2 * as.numeric(logLik(m))), sep = "\t"))
lines <- c(lines, paste("sigma", exact(sigma(m)), sep = "\t"))
errors <- sqrt(diag(as.matrix(vcov(m))))
lines <- c(lines, paste("beta", names(fixef(m)), exact(fixef(m)), exact(errors), sep = "\t"))
for (block in VarCorr(m)) for (i in rownames(block)) for (j in colnames(block))
  lines <- c(lines, paste("cov", i, j, exact(block[i, j]), sep = "\t"))
if (length(said)) lines <- c(lines, paste("said", gsub("[\t\n]", " ", said), sep = "\t"))
writeLines(lines, args[2])
"""


def fit_lme4(fit: LmmFit, *, timeout: float) -> OtherFit:
    """Fit a model's columns with lme4 and a tightened optimiser.

    Parameters
    ----------
    fit : LmmFit
    timeout : float, in seconds

    Returns
    -------
    OtherFit
        Without values, with the reason, if R or lme4 is not installed or fails.
    """
    program = shutil.which("Rscript")
    if program is None:
        return OtherFit("lme4", {}, ("not compared, Rscript is not installed.",))
    # Readable by this user only; removed when the block is left, also after an error.
    with tempfile.TemporaryDirectory(prefix="cross-check-") as folder:
        return _run(fit, program, Path(folder), timeout)


def _run(fit: LmmFit, program: str, folder: Path, timeout: float) -> OtherFit:
    """Return what R made of the columns."""
    script, data, answer = folder / "fit.R", folder / "data.csv", folder / "answer.tsv"
    script.write_text(R_SCRIPT, encoding="utf-8")
    neutral_frame(fit).to_csv(data, index=False)
    command = [program, "--vanilla", str(script), str(data), str(answer), neutral_formula(fit), fit.method]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return OtherFit("lme4", {}, (f"not compared, R was stopped after {timeout:g} seconds.",))
    except OSError as error:
        return OtherFit("lme4", {}, (f"not compared, Rscript could not be started ({type(error).__name__}).",))
    lines = answer.read_text(encoding="utf-8", errors="replace").splitlines() if answer.exists() else []
    if done.returncode == NO_LME4:
        return OtherFit("lme4", {}, ("not compared, R's package lme4 is not installed.",))
    if done.returncode == FIT_FAILED:
        reason = one_line(" ".join(lines).removeprefix("error"))
        return OtherFit("lme4", {}, (f"failed: {reason}.",))
    if done.returncode != 0 or not lines:
        return OtherFit("lme4", {}, (f"not compared, Rscript ended with status {done.returncode} and no result.",))
    return _parse(lines)


def neutral_frame(fit: LmmFit) -> pd.DataFrame:
    """Return the columns of a model under neutral names, levels as integers.

    Returns
    -------
    DataFrame
        One row per row used: y, x0.. (fixed), z0_0.. (random, by term), g0.. (level, by grouping factor), w (weights).
    """
    columns: dict[str, Floats | Codes] = {"y": fit.design.y}
    fixed = fixed_columns(fit)
    columns |= {f"x{j}": fixed[:, j] for j in range(fixed.shape[1])}
    for k in range(len(fit.design.terms)):
        random = random_columns(fit, k)
        columns |= {f"z{k}_{i}": random[:, i] for i in range(random.shape[1])}
    columns |= {f"g{m}": grouping.codes for m, grouping in enumerate(fit.design.groupings)}
    if fit.design.weights is not None:
        columns["w"] = fit.design.weights
    return pd.DataFrame(columns)


def neutral_formula(fit: LmmFit) -> str:
    """Return lme4's formula for the neutral columns."""
    positions = {grouping.name: m for m, grouping in enumerate(fit.design.groupings)}
    parts = ["0", *(f"x{j}" for j in range(len(fit.term_names)))]
    for k, term in enumerate(fit.design.terms):
        effects = " + ".join(f"z{k}_{i}" for i in range(len(term.names)))
        parts.append(f"(0 + {effects} | g{positions[term.grouping.name]})")
    return "y ~ " + " + ".join(parts)


def _parse(lines: list[str]) -> OtherFit:
    """Return the quantities in R's answer."""
    values: dict[Key, float] = {}
    label, notes = "lme4", []
    for line in lines:
        kind, *cells = line.split("\t")
        if kind == "version":
            label = f"lme4 {cells[0]}"
        elif kind == "said":
            notes.append(f"said: {one_line(cells[0])}")
        elif kind == "beta":
            j = int(cells[0].removeprefix("x"))
            values[FIXED_EFFECT, 0, j, 0], values[STD_ERROR, 0, j, 0] = float(cells[1]), float(cells[2])
        elif kind == "cov":
            (k, i), (_, j) = _effect(cells[0]), _effect(cells[1])
            if i >= j:
                values[VARIANCE if i == j else COVARIANCE, k, i, j] = float(cells[2])
        elif kind in ("sigma", "criterion"):
            values[SIGMA if kind == "sigma" else CRITERION, 0, 0, 0] = float(cells[0])
    return OtherFit(label, values, tuple(notes))


def _effect(name: str) -> tuple[int, int]:
    """Return the random term and the position within it of a neutral column."""
    term, position = name.removeprefix("z").split("_")
    return int(term), int(position)
