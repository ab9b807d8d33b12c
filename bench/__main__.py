"""`python -m bench [PHASE …] [--quick]`."""
import sys

from .run import main

sys.exit(main())
