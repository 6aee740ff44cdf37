"""A new adapter's package, written from templates: `ftbridge new NAME`.

The templates are files beside this module, of `string.Template`'s kind, so that they can be read
as what they become. Must never import the bridge: it writes files and knows nothing of serving.
"""

from .package import ScaffoldError, Written, write_package

__all__ = ["ScaffoldError", "Written", "write_package"]
