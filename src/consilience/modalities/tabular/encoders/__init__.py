"""Networks over the tokens of a table. The list of them is ENCODERS, in the package above; torch lives only here."""
