"""What MSSanté writes into subjects and fields of its own. Source: docs/spec/mail.md 7."""

import re
from typing import Final

import msgspec

from bridges.mail import ins
from bridges.mail.address import Address
from bridges.mail.headers import Fields
from bridges.mail.reports import ACKNOWLEDGED
from bridges.mail.words import one_line

PATIENT_DOMAIN: Final = "patient.mssante.fr"
HIDDEN: Final = "XDM/1.0/DDM+"
_REPLACES: Final = re.compile(r"\[\s*annule\s+et\s+remplace\s*\]", re.IGNORECASE)
_ANSWER: Final = re.compile(r"(?:(?:re|tr|fwd?)\s*:\s*)+", re.IGNORECASE)
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


class Marks(msgspec.Struct, frozen=True):
    """The marks of one mail."""

    subject: str  # as people read it: without the hidden prefix
    ends_conversation: bool  # the subject is exactly [FIN]: the right to answer to all earlier mails ends
    no_reply: bool  # X-MSS-MES: FIN: this mail opens no right to answer
    replaces: bool  # [Annule et remplace]
    has_hidden_subject: bool  # XDM/1.0/DDM+
    acknowledgement: str  # 900 to 906, or empty
    from_patient: bool  # the address is one of the citizens' service, its number and key are right
    software: str  # X-MSS-NIL
    codes: list[str]  # X-MSS-CODECDA
    identity: str  # X-MSS-INS: O, N or empty


def read(fields: Fields, sender: Address) -> Marks:
    """Read the marks; one that is written otherwise than the rule says is not set."""
    written = one_line(fields.first("subject"))
    bare = _ANSWER.sub("", written, count=1) if _ANSWER.match(written) else written
    said = fields.first("x-mss-ins").strip()
    return Marks(
        subject=written.replace(HIDDEN, "", 1).strip(),
        ends_conversation=fields.first("subject") == "[FIN]",
        no_reply=fields.first("x-mss-mes") == "FIN",
        replaces=bool(_REPLACES.search(written)),
        has_hidden_subject=HIDDEN in bare[: len(HIDDEN) + 80],
        acknowledgement=found[1] if (found := ACKNOWLEDGED.search(written)) else "",
        from_patient=is_patient(sender),
        software=one_line(fields.first("x-mss-nil"), most=200),
        codes=[one.strip() for one in fields.first("x-mss-codecda").split(",")[:20] if _CODE.fullmatch(one.strip())],
        identity=said if said in {"O", "N"} else "",
    )


def is_patient(address: Address) -> bool:
    """Whether an address is ``<15 signs with a right key>@patient.mssante.fr``."""
    return address.domain == PATIENT_DOMAIN and ins.check(address.local.upper(), "") == "good"
