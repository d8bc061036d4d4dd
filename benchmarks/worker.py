"""One engine, one problem, one process: times its calls and tells the parent in JSON lines.

Runs by itself, also in an environment that does not hold this project: ``python worker.py ENGINE FOLDER``.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def say(**event):
    """Tell the parent what happened, as one line of JSON."""
    print(json.dumps(event), flush=True)


def read_columns(folder, problem):
    """Return the columns; integers as int64, as a frame would hold them."""
    columns = {}
    for name, kind in problem["columns"].items():
        raw = np.fromfile(folder / f"{name}.bin", dtype="<f8" if kind == "double" else "<i4")
        columns[name] = raw if kind == "double" else raw.astype(np.int64)
    return columns


def pandas_frame(columns, strings=False):
    import pandas as pd

    if strings:
        columns = {k: np.char.mod("%d", v).astype(object) if v.dtype.kind == "i" else v for k, v in columns.items()}
    return pd.DataFrame(columns)


def alliance_stats(problem, columns):
    from alliance_stats import lmm

    frame = pandas_frame(columns)
    return lambda: lmm(problem["formula"], frame), lambda fit: fit.criterion


def floor(problem, columns):
    import pandas as pd

    frame = pandas_frame(columns)
    groups = [name for name, kind in problem["columns"].items() if kind == "integer"]
    used = [name for name in groups if any(f"| {name})" in term for term in problem["random"])]
    others = [name for name in columns if name not in groups]

    def call():
        for name in used:
            pd.factorize(frame[name])
        stacked = np.vstack([np.ones(len(frame)), *(frame[name].to_numpy() for name in others)])
        return stacked @ stacked.T

    return call, lambda _: float("nan")


def statsmodels(problem, columns):
    import statsmodels.formula.api as smf

    frame, group = pandas_frame(columns), only_group(problem)
    return lambda: smf.mixedlm(problem["fixed"], frame, groups=group).fit(), lambda fit: -2 * fit.llf


def mixedlm_rs(problem, columns):
    import mixedlm_rs as engine

    frame, group = pandas_frame(columns), only_group(problem)
    return lambda: engine.mixedlm(problem["fixed"], frame, groups=group).fit(), lambda fit: -2 * fit.llf


def mixedlm(problem, columns):
    import mixedlm as engine

    frame = pandas_frame(columns)
    return lambda: engine.lmer(problem["formula"], frame), lambda fit: fit.REMLcrit()


def lme_python(problem, columns):
    import lme_python as engine
    import polars as pl

    frame = pl.DataFrame(columns)
    return lambda: engine.lmer(problem["formula"], data=frame, reml=True), lambda fit: fit.reml_criterion


def glmm(problem, columns):
    import glmm as engine

    frame = pandas_frame(columns)
    # Degrees of freedom are not part of what the others are timed for.
    return lambda: engine.fit(frame, problem["formula"], satterthwaite=False), lambda fit: -2 * fit.loglik


def kamino(problem, columns):
    import kamino as engine

    frame = pandas_frame(columns, strings=True)
    return lambda: engine.lmer(problem["formula"], frame, reml=True), lambda fit: fit.objective


def interlace(problem, columns):
    import interlace as engine

    frame = pandas_frame(columns)
    return lambda: engine.fit(problem["fixed"], frame, random=list(problem["random"])), lambda fit: -2 * fit.llf


def only_group(problem):
    """Return the grouping factor of a model with one random intercept."""
    if len(problem["random"]) != 1 or not problem["random"][0].startswith("(1 | "):
        raise NotImplementedError("the engine cannot express the model")
    return problem["random"][0].removeprefix("(1 | ").removesuffix(")")


ENGINES = {
    f.__name__: f
    for f in (alliance_stats, floor, statsmodels, mixedlm, mixedlm_rs, lme_python, glmm, kamino, interlace)
}
PACKAGES = {"alliance_stats": "alliance-stats", "floor": "numpy", "interlace": "interlace-lme", "kamino": "kamino-lme"}


def reset_peak():
    """Set the peak of resident memory to what is in use now, where the system allows it; return that, in bytes."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return peak_memory()
    return status_bytes("VmRSS")


def peak_memory():
    """Return the peak of resident memory, in bytes."""
    try:
        return status_bytes("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def status_bytes(field):
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(field)


def timed(call):
    start = time.perf_counter()
    value = call()
    return value, time.perf_counter() - start


def main(name, folder):
    warnings.simplefilter("ignore")
    problem = json.loads((folder / "problem.json").read_text(encoding="utf-8"))
    columns = read_columns(folder, problem)
    start = time.perf_counter()
    try:
        call, criterion = ENGINES[name](problem, columns)
    except NotImplementedError as error:
        return say(event="cannot", reason=str(error))
    package = PACKAGES.get(name, name.replace("_", "-"))
    say(event="ready", version=importlib.metadata.version(package), import_s=time.perf_counter() - start)
    before = reset_peak()
    try:
        fit, cold = timed(call)
    except Exception as error:
        return say(event="failed", reason=f"{type(error).__name__}: {str(error)[:160]}")
    peak = peak_memory() - before
    say(event="cold", seconds=cold, peak_bytes=peak, criterion=float(criterion(fit)))
    spent, n_done = 0.0, 0
    while n_done < problem["repeats"] and spent + cold < problem["budget"]:
        del fit
        fit, seconds = timed(call)
        spent, n_done = spent + seconds, n_done + 1
        say(event="warm", seconds=seconds)
    if name == "alliance_stats" and problem["refits"]:
        drawn = [fit.simulate(np.random.default_rng(k)) for k in range(problem["refits"])]
        _, seconds = timed(lambda: [fit.refit(y).criterion for y in drawn])
        say(event="refit", seconds=seconds / problem["refits"])
    return say(event="done")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
