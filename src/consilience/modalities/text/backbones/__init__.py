"""Pretrained networks from cleaned texts to vectors; torch is imported when something is encoded."""
