"""`python -m pipeline` is `longtake`."""

import sys

from pipeline.cli import main

sys.exit(main())
