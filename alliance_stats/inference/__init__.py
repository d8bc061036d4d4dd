"""Tests, intervals, comparisons and checks of fitted mixed models."""
