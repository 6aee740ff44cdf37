"""What a marker tells of the value that it stands for, and what it must not."""

import pytest

from ftbridge.wire.markers import REDACTED, REPR_KEY, TYPE_KEY, UNSERIALIZABLE_KEY, marker, redact
from ftbridge.wire.policy import MarkerDetail, WirePolicy


class Speaks:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Fails:
    def __repr__(self) -> str:
        raise RuntimeError("no")


NAME = f"{__name__}.Speaks"


def said(detail: MarkerDetail, value: object, length: int = 500) -> object:
    found = marker(value, WirePolicy(marker_detail=detail, marker_length=length))
    assert found[UNSERIALIZABLE_KEY] is True
    return found.get(REPR_KEY)


def test_by_default_only_the_type_is_told() -> None:
    assert marker(Speaks("secret")) == {UNSERIALIZABLE_KEY: True, TYPE_KEY: NAME}
    assert said("none", Speaks("secret")) is None


def test_type_is_a_placeholder_without_the_value() -> None:
    assert said("type", Speaks("secret")) == f"<{NAME}>"
    assert said("type", Fails()) == f"<{__name__}.Fails>"


@pytest.mark.parametrize(
    ("length", "expected"), [(500, "abcdefgh"), (8, "abcdefgh"), (7, "abcd..."), (2, ".."), (0, "")]
)
def test_a_repr_is_cut_to_its_length(length: int, expected: str) -> None:
    assert said("repr_truncated", Speaks("abcdefgh"), length) == expected


def test_a_repr_that_fails_or_that_utf8_lacks() -> None:
    assert said("repr_truncated", Fails()) == "<repr failed: RuntimeError>"
    assert said("repr_truncated", Speaks("a\ud800")) == "a?"


SECRETS = [
    "sk-abc123xyz789def",
    "Bearer abc.def-ghi",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "ghp_0123456789abcdefghij",
    "github_pat_0123456789abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "xoxb-123456789-abc",
    "hf_0123456789abcdefghij",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_known_by_their_look(secret: str) -> None:
    text = redact(f"Client({secret}, region='eu')")
    assert secret not in text
    assert REDACTED in text
    assert text.endswith("region='eu')")


@pytest.mark.parametrize(
    "template",
    [
        "Client(api_key='{}', region='eu')",
        'Client(apiKey="{}", region=1)',
        "{{'password': '{}', 'region': 'eu'}}",
        "{{'DB_PASSWORD': b'{}', 'region': 'eu'}}",
        "Config(access_token={}, region=eu)",
        "headers={{'Authorization': 'Basic {}'}}, region",
        "Authorization: Basic {}",
        "postgres://user:{}@db.example/x?region=eu",
        "client_secret = {} region",
    ],
)
@pytest.mark.parametrize("secret", ["hunter2", "p:w-d%1", "0123456789abcdef"])
def test_secrets_known_by_their_name(template: str, secret: str) -> None:
    text = template.format(secret)
    cleaned = redact(text)
    assert secret not in cleaned
    assert REDACTED in cleaned
    assert ("region" in cleaned) == ("region" in text)


def test_a_quote_inside_a_secret_does_not_end_it() -> None:
    assert "tail" not in redact(r"password='it\'s tail', x=1")


def test_a_private_key_whole_or_cut() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----"
    assert redact(f"a {key} b") == f"a {REDACTED} b"
    assert redact(f"a {key[:40]}") == f"a {REDACTED}"


@pytest.mark.parametrize(
    "text",
    [
        "Model(layers=12, tokenizer='bert', max_tokens=100)",
        "<object at 0x7f>",
        "['basic', 'ask-me']",
    ],
)
def test_harmless_text_stays(text: str) -> None:
    assert redact(text) == text


def test_redaction_comes_before_the_cut() -> None:
    value = Speaks("key sk-abcdefghijklmnop")
    assert said("repr_redacted_truncated", value, 12) == "key <REDA..."
    assert said("repr_truncated", value, 12) == "key sk-ab..."


def test_redaction_of_hostile_text_takes_no_time() -> None:
    """Each would take minutes if an expression backtracked."""
    for text in ["password" * 20_000, "a:" * 60_000, "eyJ" + "a." * 60_000, "'\\" * 60_000]:
        said("repr_redacted_truncated", Speaks(text))
        said("repr_redacted_truncated", Speaks("token='" + text))
