"""Words everybody shares. Imports nothing of ours, and no torch when imported."""
