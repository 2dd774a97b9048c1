"""`python -m mmconnect`."""

import sys

from mmconnect.cli import main

sys.exit(main())
