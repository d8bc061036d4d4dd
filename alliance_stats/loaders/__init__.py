"""From files to a checked session table."""
