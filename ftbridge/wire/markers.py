"""Markers: what stands in a result for a value that cannot be sent.

By default a marker names the value's type and nothing else, since a ``repr`` may hold secrets.
Hosts recognise a marker by its first key.
"""

import re
from typing import Final

from ftbridge.wire.policy import DEFAULT_POLICY, WirePolicy

UNSERIALIZABLE_KEY: Final = "__ffi_unserializable__"
"""Key that tells a host that a value could not be sent."""
TYPE_KEY: Final = "__type__"
"""Key of the marker's type name, "module.Class"."""
REPR_KEY: Final = "__repr__"
"""Key of what the policy lets a marker say about the value."""

REDACTED: Final = "<REDACTED>"
_CUT: Final = "..."
# Characters of a repr that are searched for secrets: far more than are sent.
_SEARCHED: Final = 65_536

# A name that announces a secret, then its value: quoted, or up to the next separator. The names'
# own quotes are those of a dict's repr. Repeats that may be retried are bounded: an expression that
# backtracks over a long repr would stop the server.
_NAMED: Final = re.compile(
    r"""(?ix)
    ( (?: api_?-?key | secret | token (?! s | iz ) | passw(?:or)?d | passphrase | passwd | pwd
                | credential s? | private_?-?key | access_?-?key | authorization | cookie )
      [\w-]{0,32} ["']? \s{0,8} [:=] \s{0,8} )
    (?: b? (?P<quote>["']) (?: \\. | (?!(?P=quote)) . )* (?P=quote)?
      | (?: basic | bearer | digest | token ) \s{1,8} [^\s,;"')\]}]+
      | [^\s,;"')\]}]+ )
    """
)
# Secrets that are known by their look, wherever they stand.
_KNOWN: Final = re.compile(
    r"""(?x)
      -----BEGIN\ [A-Z ]*PRIVATE\ KEY----- .*? (?: -----END\ [A-Z ]*PRIVATE\ KEY----- | \Z )
    | (?i: \b bearer ) \s{1,8} [\w.~+/=-]{6,}
    | \b eyJ [\w-]{5,} (?: \. [\w-]+ ){0,2}                    # JSON web tokens
    | \b (?: sk | pk | rk ) [-_] [\w-]{8,}                     # OpenAI, Anthropic, Stripe
    | \b gh[opsur]_ \w{16,} | \b github_pat_ \w{16,} | \b glpat- [\w-]{16,}
    | \b xox[abeoprs]- [\w-]{8,}                               # Slack
    | \b (?: AKIA | ASIA ) [A-Z0-9]{12,}                       # AWS
    | \b AIza [\w-]{20,}                                       # Google
    | \b hf_ \w{16,}                                           # Hugging Face
    | (?<= :// ) [^\s/:@"']+ : [^\s/@"']+ (?= @ )              # user:password@ of a URL
    """,
    re.DOTALL,
)


def marker(value: object, policy: WirePolicy = DEFAULT_POLICY) -> dict[str, "str | bool"]:
    """What stands for a value that cannot be sent. Never fails, whatever the value's ``repr``."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    result: dict[str, str | bool] = {UNSERIALIZABLE_KEY: True, TYPE_KEY: name}
    if policy.marker_detail != "none":
        result[REPR_KEY] = _detail(value, name, policy)
    return result


def redact(text: str) -> str:
    """The text without what looks like a password, key or token: a best effort, no guarantee."""
    text = _KNOWN.sub(REDACTED, text)
    return _NAMED.sub(lambda found: found[1] + REDACTED, text)


def _detail(value: object, name: str, policy: WirePolicy) -> str:
    if policy.marker_detail == "type":
        return f"<{name}>"
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the value's own code failed; the call must not
        text = f"<repr failed: {type(error).__name__}>"
    if policy.marker_detail == "repr_redacted_truncated":
        text = redact(text[:_SEARCHED])
    # Lone surrogates would send the whole value through the encoder a second time.
    text = text.encode("utf-8", "replace").decode()
    room = policy.marker_length
    return text if len(text) <= room else text[: max(0, room - len(_CUT))] + _CUT[:room]
