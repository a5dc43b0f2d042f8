"""Pretrained networks from samples of sound to vectors; torch is imported when something is encoded."""
