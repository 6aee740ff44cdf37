"""The host's log level, and the logger names that adapters know."""

import logging

import pytest

from ftbridge.compat import logs


@pytest.mark.parametrize(
    ("asked", "level"),
    [
        ("debug", logging.DEBUG),
        ("INFO ", logging.INFO),
        ("warning", logging.WARNING),
        ("error", logging.ERROR),
        ("loud", logging.ERROR),
    ],
)
def test_the_hosts_names_are_python_levels(asked, level):
    assert logs.level({logs.LEVEL_VARIABLE: asked}) == level


def test_without_a_level_only_errors_are_logged():
    assert logs.level({}) == logging.ERROR


def test_none_is_above_everything():
    assert logs.level({logs.LEVEL_VARIABLE: "none"}) > logging.CRITICAL


def test_loggers_live_below_one_name():
    assert logs.get_logger("worker").name == "snakepit.worker"
    assert logs.get_logger("snakepit.worker").name == "snakepit.worker"
    assert logs.get_logger().name == "snakepit"


def test_configure_sets_the_level_and_keeps_handlers_unless_forced(monkeypatch):
    monkeypatch.setenv(logs.LEVEL_VARIABLE, "debug")
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    named = logging.getLogger("snakepit")
    try:
        logs.configure_logging()
        assert root.handlers[: len(before)] == before
        assert named.level == logging.DEBUG
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        named.setLevel(logging.NOTSET)
