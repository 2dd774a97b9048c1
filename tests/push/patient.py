"""`mmconnect push` for a machine that stands still now and then: its 2 s are a minute.

They end a call whose answer does not come. Where a test is about an answer that does, it must not
depend on how soon.
"""

from __future__ import annotations

import sys

from mmconnect.cli import main
from mmconnect.cli.push import hand

if __name__ == "__main__":
    hand.PATIENCE = 60.0
    sys.exit(main(sys.argv[1:]))
