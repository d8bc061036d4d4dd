"""Speed, memory and accuracy of the engine beside others; run with ``python -m benchmarks``."""
