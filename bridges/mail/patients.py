"""Who is a patient here: health identities and the accounts they have in Pli. Source: docs/spec/mail.md 14.

Numbers stand hashed under a key of the home, traits sealed: the file tells nobody who is treated where.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from bridges.mail import ins
from bridges.mail.address import Address
from bridges.mail.cda import Patient as Traits
from bridges.mail.state import Row, State

Standing = Literal["open", "closed", "unknown"]
Status = Literal["known", "opposed", "closed"]
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS patients (id INTEGER PRIMARY KEY, number BLOB NOT NULL UNIQUE, sealed BLOB NOT NULL,
  account BLOB, invited BLOB, status TEXT NOT NULL DEFAULT 'known');
"""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """What the practice knows of a patient; all but the number may be empty."""

    ins: str
    ins_oid: str = "1.2.250.1.213.1.4.8"
    birth_name: str = ""
    first_name: str = ""
    birth_date: str = ""  # YYYY-MM-DD
    sex: str = ""

    @property
    def shown(self) -> str:
        """``Jean DUPONT``, or the number where no name is known."""
        return f"{self.first_name} {self.birth_name.upper()}".strip() or self.ins


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A patient of ours. ``account`` or ``invited`` (a conversation whose invitation was not taken yet) is set."""

    id: int
    person: Person
    account: bytes
    invited: bytes
    status: Status


class Patients:
    """The directory of one bridge."""

    def __init__(self, state: State, hide: Callable[[str], bytes], patient_domains: Sequence[str] = ()) -> None:
        self._state, self._hide = state, hide
        self._domains = frozenset(patient_domains)
        state.declare(_SCHEMA)

    def learn(self, person: Person, *, account: bytes = b"", invited: bytes = b"") -> int:
        """Keep a patient, or what is new about one; gives the row.

        Raises:
            ValueError: the number is not right.

        """
        if ins.check(person.ins, person.ins_oid) != "good":
            raise ValueError(f"ins: {ins.check(person.ins, person.ins_oid)}")
        sealed = self._state.seal(msgspec.json.encode(person))
        row = (self._hide(person.ins), sealed, account, invited)
        self._state.run(
            """INSERT INTO patients (number, sealed, account, invited) VALUES (?, ?, ?, ?) ON CONFLICT (number)
            DO UPDATE SET sealed = excluded.sealed, status = 'known',
              account = CASE WHEN excluded.account = x'' THEN account ELSE excluded.account END,
              invited = CASE WHEN excluded.invited = x'' THEN invited ELSE excluded.invited END""",
            row,
        )
        found = self.find(person.ins)
        assert found is not None, "just written"
        return found.id

    def claimed(self, patient: int, account: bytes) -> None:
        """Write down the account that took the place of an invitation."""
        self._state.run("UPDATE patients SET account = ? WHERE id = ?", (account, patient))

    def set_status(self, patient: int, status: Status) -> None:
        """Write down an opposition or a closed account."""
        self._state.run("UPDATE patients SET status = ? WHERE id = ?", (status, patient))

    def find(self, number: str) -> Known | None:
        """Find a patient by number."""
        return self._read(self._state.one(f"{_COLUMNS} WHERE number = ?", (self._hide(number.upper()),)))

    def get(self, patient: int) -> Known | None:
        """Find a patient by row."""
        return self._read(self._state.one(f"{_COLUMNS} WHERE id = ?", (patient,)))

    def all(self) -> list[Known]:
        """List all patients."""
        return [known for row in self._state.all(f"{_COLUMNS} ORDER BY id") if (known := self._read(row))]

    def standing(self, address: Address) -> Standing:
        """Whether the patient of an address may be written to: what a sender's server is told at once."""
        known = self.find(number) if (number := self.number_of(address)) else None
        if known is None:
            return "unknown"
        return "open" if known.status == "known" else "closed"

    def number_of(self, address: Address) -> str:
        """Give the number in an address of our patient domains, or an empty text."""
        number = address.local.upper()
        ours = address.domain in self._domains and ins.check(number, "") == "good"
        return number if ours else ""

    def _read(self, row: Row | None) -> Known | None:
        if row is None:
            return None
        number, sealed, account, invited, status = row
        person = msgspec.json.decode(self._state.unseal(bytes(sealed)), type=Person)
        return Known(id=int(number), person=person, account=bytes(account), invited=bytes(invited), status=status)


_COLUMNS: Final = "SELECT id, sealed, account, invited, status FROM patients"


def contradicts(person: Person, traits: Traits) -> bool:
    """Whether a document is about somebody else than its number says: another birth date or sex."""
    pairs = ((person.birth_date, traits.birth_date), (person.sex, traits.sex))
    return any(known and said and known != said and "U" not in {known, said} for known, said in pairs)
