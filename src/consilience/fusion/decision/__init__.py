"""Rules that make one answer of several models' answers. They know models by name and nothing of how these work."""
