"""Coded statements."""
