"""`python -m securemem`: the command without its script."""

import sys

from securemem.cli import main

sys.exit(main())
