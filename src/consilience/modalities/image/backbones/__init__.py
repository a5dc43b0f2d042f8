"""Pretrained networks from pictures to vectors; torch is imported when something is encoded."""
