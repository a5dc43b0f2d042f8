"""From texts to padded token ids for encoders, and their random change in training. Knows no encoder.

Shape legend: U distinct cells, T tokens.
"""

from __future__ import annotations

import numpy as np

from consilience.core.batch import Tokens
from consilience.modalities.base import Values
from consilience.modalities.text.config import Config
from consilience.modalities.text.transform import UNKNOWN, Vocabulary, tokenise


def collate(values: Values, vocabulary: Vocabulary, config: Config) -> Tokens:
    """[U] texts -> ids [U, T] int64, right-padded with 0; T is the longest text in the call, 1 to max_tokens."""
    rows = [
        [] if text is None else vocabulary.ids(tokenise(text, symbols=config.symbols, limit=config.max_tokens))
        for text in values
    ]
    lengths = np.array([len(row) for row in rows], np.int64)
    mask_UT = np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]
    ids_UT = np.zeros(mask_UT.shape, np.int64)
    ids_UT[mask_UT] = [number for row in rows for number in row]
    return Tokens(values=ids_UT, mask=mask_UT)


def drop_tokens(tokens: Tokens, share: float, rng: np.random.Generator) -> Tokens:
    """Make each real token unknown with probability `share`, but never all the tokens of a text."""
    chance_UT = np.where(tokens.mask, rng.random(tokens.mask.shape), -1.0)
    drop_UT = tokens.mask & (chance_UT < share)
    # The token with the largest draw is the last to go; it stays whatever the share.
    drop_UT[np.arange(len(drop_UT)), chance_UT.argmax(1)] = False
    return Tokens(values=np.where(drop_UT, UNKNOWN, tokens.values), mask=tokens.mask)
