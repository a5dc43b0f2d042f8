"""Sparse columns that say the same, made one: a ridge penalty gives them one answer anyway.

Runs of letters of a rare word occur together or not at all, and whatever a single text has alone is a multiple of
everything else it has alone. Where only the sum of squared coefficients is penalised, such columns may be replaced by
one of their joint length: the solution is the same, found in half the time.

Shape legend: U cells, P columns, G columns that differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from consilience.core.seeding import generator


def merging(matrix: Any) -> Any:
    """`matrix` [U, P] of SciPy -> S [P, G], whose columns are orthonormal: `matrix @ S` holds one column for each
    bundle of multiples, and S @ coefficients [G, K] are the coefficients [P, K] of the original ones."""
    from scipy.sparse import csr_matrix

    columns = matrix.shape[1]
    length = np.sqrt(np.bincount(matrix.indices, matrix.data.astype(np.float64) ** 2, columns))
    # Columns of one direction have the same product with every vector; three random ones tell all others apart.
    chance = generator(0, "twins").normal(size=(matrix.shape[0], 3))
    shadow = (matrix.T @ chance) / np.where(length > 0, length, 1.0)[:, None]
    # Of columns of different lengths, the last bits differ.
    _, bundle = np.unique(np.round(shadow, 5), axis=0, return_inverse=True)
    bundle = bundle.reshape(-1)
    joint = np.sqrt(np.bincount(bundle, length**2))
    share = np.divide(length, joint[bundle], out=np.ones(columns), where=joint[bundle] > 0)
    return csr_matrix((share.astype(np.float32), (np.arange(columns), bundle)), shape=(columns, len(joint)))
