"""The mixed-model engine; it knows nothing about psychotherapy."""
