"""Data with a known truth, and what a study needs."""
