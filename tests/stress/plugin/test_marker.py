"""What the marker may say."""

import pytest

from ftstress.plugin.marker import MarkerError, Options


def test_without_options_it_is_parallel():
    assert Options.of((), {}).is_parallel


@pytest.mark.parametrize(
    ("given", "parallel"),
    [
        ({"threads": 4, "rounds": 3}, True),
        ({"schedules": 5}, False),
        ({"races": True}, False),
        ({"races": True, "threads": 2}, True),
        ({"alone": True}, False),
    ],
)
def test_what_runs_on_several_threads(given, parallel):
    assert Options.of((), given).is_parallel is parallel


def test_a_name_alone_is_a_list_of_one():
    options = Options.of((), {"races": True, "instrument": "app"})
    assert options.instrument == ("app",)
    assert Options.of((), {"schedules": 1, "modules": ["a", "b"]}).modules == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        ((4,), {}, "named options only"),
        ((), {"thread": 4}, "no option thread; it has threads, rounds"),
        ((), {"threads": 0}, "threads=...\\) must be an int of at least 1, got 0"),
        ((), {"rounds": "9"}, "got '9'"),
        ((), {"time": -1.0}, "above 0"),
        ((), {"rounds": 2, "time": 1.0}, "not both"),
        ((), {"fixtures": "own"}, "fixtures=...\\) is one of"),
        ((), {"schedules": 3, "threads": 2}, "no meaning with schedules"),
        ((), {"instrument": "app"}, "for races=True"),
    ],
)
def test_nonsense_is_refused(arguments, given, message):
    with pytest.raises(MarkerError, match=message):
        Options.of(arguments, given)
