"""Where the frozen binary begins; build.spec names it. The same door as the console script."""

import sys

from scripts.held import hold_archives

hold_archives(sys.modules)  # before anything of ours is loaded: an upgrade may come at any moment

from mmconnect.cli import main  # noqa: E402

sys.exit(main())
