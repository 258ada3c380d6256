"""What all tests share: the modules beside this one (recorded numbers, made-up worlds) can be imported by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
