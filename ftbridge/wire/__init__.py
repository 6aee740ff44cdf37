"""What travels: the messages of the bridge, their codec, and Python values inside them.

`messages`, `health`, `reflection` and `descriptors` are generated from `proto/` by
tools/generate. Must never import google.protobuf, which only tests need, nor anything of
ftbridge outside this package.
"""

from ftbridge.wire.codec import DecodeError, EncodeError

__all__ = ["DecodeError", "EncodeError"]
