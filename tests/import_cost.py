"""Check that importing the package is cheap: run as a script, in a fresh interpreter each time."""

from __future__ import annotations

import subprocess
import sys
import time

HEAVY = ("matplotlib", "seaborn", "statsmodels", "scipy.stats", "pyreadstat")
LIMIT = 0.15
REPEATS = 7


def seconds(code: str) -> float:
    """Return the shortest time of several fresh interpreters that run ``code``."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    """Return 0 if nothing heavy is imported and the import takes less than the limit."""
    code = f"import sys, alliance_stats; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    cost = seconds("import alliance_stats") - seconds("pass")
    sys.stdout.write(f"import alliance_stats: {cost:.3f} s beyond the interpreter; heavy modules loaded: {loaded}\n")
    return int(bool(loaded) or cost > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
