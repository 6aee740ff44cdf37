"""Suites of ftbridge's own rooms, which `ftstress.suites` names."""
