# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns `python -m backend` into a command of `cli.py`."""

import logging
import sys

from .cli import main

if __name__ == "__main__":
    logging.captureWarnings(True)  # stderr is for one line about an error, not for libraries
    logging.getLogger(__package__).addHandler(logging.NullHandler())
    sys.exit(main())
