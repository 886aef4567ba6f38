"""Write tests/vectors from crypto/: the same bytes each time.

Everything is drawn from named SHAKE256 streams, except what X-Wing encapsulation draws for itself: those sealed bytes
are kept in tests/vectors/encapsulations.json and used again. ``--fresh`` seals them anew (all ids change with them).
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from vectors import basics
from vectors.kit import Tape

from crypto import hpke


def main() -> None:
    """Write all groups, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="seal boxes anew")
    parser.add_argument("--into", type=Path, default=ROOT / "tests" / "vectors", help="folder to write")
    chosen = parser.parse_args()
    tape = Tape(ROOT / "tests" / "vectors" / "encapsulations.json", fresh=chosen.fresh)
    hpke.seal = tape.seal
    for make in basics.GROUPS:
        print(make().write(chosen.into))
    tape.save()


if __name__ == "__main__":
    main()
