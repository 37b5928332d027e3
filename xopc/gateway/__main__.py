"""`python -m xopc.gateway`, which the supervisor starts."""

import sys

from xopc.gateway.main import main

sys.exit(main())
