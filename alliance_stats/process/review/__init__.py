"""Checks of an analysis against the common mistakes of alliance research."""
