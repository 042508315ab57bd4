"""`python -m ganns` is `ganns`."""

import sys
from pathlib import Path

# `python -m` searches the working directory first: a student's tasks.py or random.py there would replace ours.
if not sys.flags.safe_path and Path(sys.path[0]) != Path(__file__).parents[1]:
    del sys.path[0]

from ganns.cli.app import main

if __name__ == "__main__":
    main()
