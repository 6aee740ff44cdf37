"""Started by a Snakepit host in place of its own file of this name; see docs/snakepit.md.

The host's clean-up finds its workers by this name on their command lines.
"""

import sys

from ftbridge.compat.entry import main

sys.exit(main(threaded=False))
