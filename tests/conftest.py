"""Makes the laboratory (`scripts/lab`: real Postfix, sink) importable by all tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
