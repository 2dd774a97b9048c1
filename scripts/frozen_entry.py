"""Where the frozen binary begins; build.spec names it. The same door as the console script."""

import os
import signal
import sys

if os.getpid() == 1:
    # The first process of a container: the kernel drops a signal that has no handler yet, and who
    # stops a container while it starts would wait in vain for it, and kill it in the end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

from scripts.held import hold_archives

hold_archives(sys.modules)  # before anything of ours is loaded: an upgrade may come at any moment

from mmconnect.cli import main  # noqa: E402

sys.exit(main())
