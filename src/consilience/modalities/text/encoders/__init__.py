"""Networks that turn token ids into vectors; the table of them is `consilience.modalities.text.ENCODERS`."""
