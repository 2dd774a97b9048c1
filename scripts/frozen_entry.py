"""Where the frozen binary begins; build.spec names it. The same door as the console script."""

import sys

from mmconnect.cli import main

sys.exit(main())
