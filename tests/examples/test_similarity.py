from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("numpy")

from ftbridge.examples.similarity import SimilarityIndex

COUNTS = {
    "a.py": Counter({"Call": 10, "Name": 20}),
    "b.py": Counter({"Call": 10, "Name": 20}),
    "c.py": Counter({"ClassDef": 5}),
    "d.py": Counter({"Call": 9, "Name": 25}),
}


@pytest.fixture
def index() -> SimilarityIndex:
    return SimilarityIndex.build(COUNTS)


def test_best_first_without_the_file_itself(index: SimilarityIndex) -> None:
    found = index.most_similar("a.py", COUNTS["a.py"], 10)
    assert [path for path, _ in found] == ["b.py", "d.py", "c.py"]
    assert found[0][1] == pytest.approx(1.0)
    assert 0.9 < found[1][1] < 1.0
    assert -1.0 <= found[2][1] < 0.0


def test_the_limit_holds(index: SimilarityIndex) -> None:
    assert len(index.most_similar("a.py", COUNTS["a.py"], 1)) == 1


def test_a_file_that_is_not_in_the_index_is_compared_with_all(index: SimilarityIndex) -> None:
    counted = Counter({"ClassDef": 5, "NobodyHasThis": 100})
    found = index.most_similar("new.py", counted, 10)
    assert len(found) == 4
    assert found[0][0] == "c.py"
    assert found[0][1] > 0.9


def test_equal_scores_keep_the_order_of_the_paths() -> None:
    index = SimilarityIndex.build(dict.fromkeys(("x", "y", "z"), COUNTS["a.py"]))
    found = index.most_similar("q", COUNTS["c.py"], 3)
    assert found == [("x", 0.0), ("y", 0.0), ("z", 0.0)]


def test_an_empty_index_resembles_nothing() -> None:
    assert SimilarityIndex.build({}).most_similar("a.py", COUNTS["a.py"], 5) == []


def test_what_threads_share_is_read_only(index: SimilarityIndex) -> None:
    with pytest.raises(ValueError, match="read-only"):
        index.matrix[0, 0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        index.mean[0] = 2.0
