"""What all tests share: the modules beside this one (recorded numbers, made-up worlds) can be imported by name."""

import os
import sys
from pathlib import Path

# Matrices are small and tests run in parallel: more threads would wait for each other. Read when numpy is first loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))
