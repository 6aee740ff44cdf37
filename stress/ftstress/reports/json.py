"""All of a report, for programs."""

import json as _json

from ftstress.findings import Report


def json(report: Report) -> str:
    """An object with the fields of `Report`, its status, and each finding's fingerprint."""
    return _json.dumps(report.data(), indent=1, ensure_ascii=False) + "\n"
