"""`python -m gm_multimodal` is the `gm-multimodal` command."""

import sys

from gm_multimodal.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
