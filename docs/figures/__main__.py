"""Write all figures: `python -m docs.figures [folder]`."""

import sys
from pathlib import Path

from docs.figures import FIGURES, draw

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "images"
for name in FIGURES:
    print(draw(name, folder))
