"""Change over sessions."""
