"""Tables, sentences and study reports."""
