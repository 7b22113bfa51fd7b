"""``python -m sipstack``: the ``sipstack`` command."""

import sys

from sipstack.cli import main

sys.exit(main())
