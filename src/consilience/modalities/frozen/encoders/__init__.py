"""Networks that take stored vectors."""
