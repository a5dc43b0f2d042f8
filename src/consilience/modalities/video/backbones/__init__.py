"""Pretrained networks from frames to vectors; torch is imported when something is encoded."""
