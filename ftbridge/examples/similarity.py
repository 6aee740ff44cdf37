"""Which files are written alike: cosine similarity over the kinds of their syntax nodes.

The one module of the package that imports numpy, so it is itself imported only when a caller first
compares. Must never change an index once built: all threads read the same one without a lock.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

# Rounded for readers; far above the rounding of float32 sums, so both builds answer the same.
_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimilarityIndex:
    """A feature matrix, one normalised row a file. Read-only, arrays included.

    Counts enter as log(1 + n), so that a long file resembles a short one in the same style, and
    the mean file is subtracted: what all Python has in common tells nothing apart.
    """

    paths: tuple[str, ...]
    rows: Mapping[str, int]
    columns: Mapping[str, int]
    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @classmethod
    def build(cls, counts: Mapping[str, Counter[str]]) -> Self:
        """Make the index of files given as path -> counts of node kinds."""
        paths = tuple(counts)
        kinds = sorted({kind for counted in counts.values() for kind in counted})
        columns = {kind: position for position, kind in enumerate(kinds)}
        features = np.array([_features(counted, columns) for counted in counts.values()])
        features = features.reshape(len(paths), len(columns))
        mean = features.mean(axis=0) if paths else np.zeros(len(columns))
        matrix = features - mean
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        matrix /= np.where(lengths == 0.0, 1.0, lengths)
        matrix.setflags(write=False)
        mean.setflags(write=False)
        return cls(
            paths=paths,
            rows={path: row for row, path in enumerate(paths)},
            columns=columns,
            mean=mean,
            matrix=matrix,
        )

    def most_similar(self, path: str, counted: Counter[str], limit: int) -> list[tuple[str, float]]:
        """The files most like one with these counts, best first, `path` itself left out.

        The similarity lies between -1 and 1: 1 for the same mixture of syntax, 0 for no relation.
        Kinds of node that no file of the index has are ignored.
        """
        wanted = _features(counted, self.columns) - self.mean
        length = float(np.linalg.norm(wanted))
        scores = self.matrix @ (wanted / length if length else wanted)
        if (own := self.rows.get(path)) is not None:
            scores[own] = -np.inf
        # Stable, so that files with equal scores keep their alphabetical order.
        best = np.argsort(-scores, kind="stable")[: min(limit, len(self.paths) - (own is not None))]
        return [(self.paths[row], round(float(scores[row]), _DECIMALS)) for row in best]


def _features(counted: Counter[str], columns: Mapping[str, int]) -> NDArray[np.float64]:
    vector = np.zeros(len(columns))
    for kind, count in counted.items():
        if (column := columns.get(kind)) is not None:
            vector[column] = count
    return np.log1p(vector)
