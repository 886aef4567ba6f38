"""Write tests/vectors from crypto/: the same bytes each time.

Everything is drawn from named SHAKE256 streams, except what X-Wing encapsulation draws for itself: those sealed bytes
are kept in tests/vectors/encapsulations.json and used again. ``--fresh`` seals them anew (all ids change with them).
"""

import argparse
from pathlib import Path

from vectors import accounts, appointments, basics, conversations, files, invitations, keys, messages, trimming
from vectors.kit import Tape

from crypto import hpke

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "vectors"
GROUPS = (
    *basics.GROUPS,
    accounts.account_chain_group,
    conversations.conversation_chain_group,
    keys.backlinks_group,
    messages.messages_group,
    files.attachments_group,
    invitations.invitations_group,
    appointments.appointments_group,
    trimming.trimming_group,
)


def main() -> None:
    """Write all groups."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="seal boxes anew")
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder to write")
    chosen = parser.parse_args()
    tape = Tape(FOLDER / "encapsulations.json", fresh=chosen.fresh)
    hpke.seal = tape.seal
    for make in GROUPS:
        print(make().write(chosen.into))
    tape.save(chosen.into / "encapsulations.json")


if __name__ == "__main__":
    main()
