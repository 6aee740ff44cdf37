"""How threads and failures are named."""

import pytest

from ftstress.tasks import Failure, task_id, task_name


def test_threads_are_named_by_who_started_them():
    assert task_name(()) == "main"
    assert task_name((1, 2)) == "main.1.2"
    assert task_id("main.1.2") == (1, 2)
    for wrong in ("", "1", "main.x", "main."):
        with pytest.raises(ValueError, match="not the name of a thread"):
            task_id(wrong)


def test_the_same_failure_may_have_another_message():
    first = Failure("exception", "KeyError", "main.1", "'a'", "trace")
    assert first.signature == Failure("exception", "KeyError", "main.1", "'b'").signature
    assert first.signature != Failure("exception", "KeyError", "main.2", "'a'").signature
    assert str(first) == "KeyError in main.1: 'a'"
