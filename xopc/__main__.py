"""`python -m xopc`, the same as `xopc`."""

import sys

from xopc.cli.main import main

sys.exit(main())
