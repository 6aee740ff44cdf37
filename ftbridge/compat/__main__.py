"""`python -m ftbridge.compat`: the same as its script `grpc_server.py`, for starting by hand."""

import sys

from ftbridge.compat.entry import main

sys.exit(main())
