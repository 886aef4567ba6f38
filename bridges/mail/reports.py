"""What a mail says about an earlier one: read receipts, delivery reports, bounces in free text.

Source: RFC 8098, RFC 3464, docs/spec/mail.md 8. The raw text is always kept: the words of the services change.
"""

import re
from typing import Final, Literal

import msgspec

from bridges.mail.headers import Fields
from bridges.mail.parts import Node, read_block
from bridges.mail.words import one_line

State = Literal["read", "processed", "delivered", "relayed", "delayed", "failed", "unknown"]
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,990}>")
ACKNOWLEDGED: Final = re.compile(r"\[(?:KO Int|Erreur d.int)[^\]]{0,40}\]\s*\[(90[0-6])\]", re.IGNORECASE)
"""Beginning of the subject of what software answers when it could not file a document."""
_DAEMON: Final = re.compile(r"(?:\A|[<\s])(?:mailer-daemon|postmaster)@", re.IGNORECASE)
_ACTIONS: Final[dict[str, State]] = {
    "failed": "failed",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "delivered",
}
_WORST: Final[tuple[State, ...]] = ("failed", "delayed", "relayed", "delivered", "unknown")
_WARNING: Final = re.compile(r"warning message only|do not need to resend|(?:will|still) be retried", re.IGNORECASE)
_QUOTED: Final = re.compile(r"^[> \t]*message-id:\s*(<[!-;=?-~]{1,990}>)", re.IGNORECASE | re.MULTILINE)
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")
_DIAGNOSTIC_TYPE: Final = re.compile(r"\A\s*[A-Za-z][A-Za-z0-9-]*\s*;")  # "smtp;" (RFC 3464 2.3.6)
_SAID: Final = 500  # characters kept of what a server said about one recipient
_STATUS: Final = {
    "5.1.1": "patient_unknown",
    "5.1.2": "address_invalid",
    "5.1.3": "address_invalid",
    "5.1.6": "box_closed",
    "5.1.10": "patient_unknown",
    "5.2.1": "box_closed",
    "5.2.2": "box_full",
    "5.2.3": "too_large",
    "5.3.4": "too_large",
}
"""What RFC 3463 says plainly: worth more than the words around it."""
_CAUSES: Final = (
    # A connection may be closed or unknown as well, which says nothing about the mailbox.
    (
        "box_closed",
        r"ferm[ée]e?|cl[oô]tur|opposition|(?<!connection )(?<!was )closed(?! (?:the )?connection)|disabled|inactive",
    ),
    ("patient_unknown", r"introuvable|inexistant|inconnue?|not found|unknown|no such|does not exist|5\.1\.1\b"),
    ("address_invalid", r"invalide?|bad (?:address|destination)|5\.1\.[23]\b"),
    (
        "too_large",
        r"trop (?:volumineux|gros|grand)|too (?:large|big)|size (?:limit|exceed)|exceeds|5\.3\.4\b|5\.2\.3\b",
    ),
    ("box_full", r"pleine|quota|full\b|5\.2\.2\b"),
)


class Outcome(msgspec.Struct, frozen=True):
    """What a delivery report says of one recipient."""

    recipient: str  # as we wrote it (ORCPT) where the report tells that, in lower case
    state: State
    cause: str  # as ``Report.cause``
    said: str  # the words of the server that decided, or empty


class Report(msgspec.Struct, frozen=True):
    """One statement about one earlier mail."""

    kind: Literal["mdn", "dsn", "bounce"]
    state: State
    original: str  # Message-ID with its brackets, or empty when the report names none
    recipients: list[str]
    automatic: bool  # made by a machine, not by a person who opened the mail
    cause: str  # box_closed, patient_unknown, address_invalid, too_large, box_full, other, or 900 to 906, or empty
    status: str  # RFC 3463, or empty
    envelope: str = ""  # ENVID (RFC 3461) as the report gives it back, or empty
    outcomes: list[Outcome] = []  # of a delivery report, one a recipient


def read(root: Node, fields: Fields, text: str) -> Report | None:
    """Tell whether a mail is a report, and what it says."""
    leaves = {node.media_type: node for node in reversed(list(root.walk()))}
    if "message/disposition-notification" in leaves:
        return _mdn(read_block(leaves["message/disposition-notification"].body()))
    if "message/delivery-status" in leaves:
        return _dsn(leaves["message/delivery-status"].body(), _quoted_id(leaves))
    if found := ACKNOWLEDGED.search(one_line(fields.first("subject"))):
        return _acknowledgement(found[1], fields, _quoted_id(leaves))
    if _DAEMON.search(fields.first("from")) and root.media_type != "multipart/signed":
        return _bounce(text, _quoted_id(leaves) or _first_id(fields.first("in-reply-to")))
    return None


def _acknowledgement(code: str, fields: Fields, quoted: str) -> Report:
    """Read an acknowledgement that came as an ordinary mail: the number stands in the subject, the mail behind it."""
    references = _MESSAGE_ID.findall(fields.first("references"))
    return Report(
        kind="mdn",
        state="failed",
        original=_first_id(fields.first("in-reply-to")) or quoted or next(reversed(references), ""),
        recipients=[],
        automatic=True,
        cause=code,
        status="",
    )


def _mdn(block: dict[str, str]) -> Report:
    mode, _, rest = block.get("disposition", "").partition(";")
    kind, _, modifier = rest.strip().partition("/")
    code = re.search(r"error\s*:\s*(90[0-6])\b", modifier, re.IGNORECASE)
    state: State = "unknown"
    if code or modifier.lower().startswith(("error", "failure")) or kind.lower() in {"failed", "denied"}:
        state = "failed"
    elif kind.lower() in {"displayed", "processed"}:
        state = "read" if kind.lower() == "displayed" else "processed"
    return Report(
        kind="mdn",
        state=state,
        original=_first_id(block.get("original-message-id", "")),
        recipients=_recipients([block.get("final-recipient", "")]),
        automatic="automatic-action" in mode.lower(),
        cause=code[1] if code else "",
        status="",
    )


def _dsn(octets: bytes, original: str) -> Report:
    blocks = [read_block(each) for each in re.split(rb"\r?\n\r?\n", octets[:65536])]
    each = [block for block in blocks if "final-recipient" in block or "action" in block]
    outcomes = [_outcome(block) for block in each]
    state: State = next((one for one in _WORST if one in {outcome.state for outcome in outcomes}), "unknown")
    envelope = next((block["original-envelope-id"] for block in blocks if "original-envelope-id" in block), "")
    return Report(
        kind="dsn",
        state=state,
        original=original or _first_id(envelope),
        recipients=_recipients([block.get("final-recipient", "") for block in each]),
        automatic=True,
        cause=next((one.cause for one in outcomes if one.state == "failed"), ""),
        status=one_line(next((block["status"] for block in each if "status" in block), ""), most=20),
        envelope=_from_xtext(one_line(envelope, most=100)),
        outcomes=outcomes[:200],
    )


def _outcome(block: dict[str, str]) -> Outcome:
    state: State = _ACTIONS.get(block.get("action", "").strip().lower(), "unknown")
    status, said = block.get("status", "").strip(), block.get("diagnostic-code", "")
    words = one_line(_DIAGNOSTIC_TYPE.sub("", said), most=_SAID)
    named = _recipients([_from_xtext(block.get("original-recipient", "")) or block.get("final-recipient", "")])
    return Outcome(
        recipient=next(iter(named), "").strip("<>").lower(),
        state=state,
        cause=(_STATUS.get(status) or cause_of(f"{status} {words}")) if state == "failed" else "",
        said=words,
    )


def _bounce(text: str, original: str) -> Report:
    """Read what a mail server wrote for people alone."""
    text = text[:20000]
    addresses = re.findall(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190}", text)
    status = re.search(r"\b[245]\.\d{1,3}\.\d{1,3}\b", text)
    quoted = _QUOTED.search(text)
    waits = bool(_WARNING.search(text))
    return Report(
        kind="bounce",
        state="delayed" if waits else "failed",
        original=original or (quoted[1] if quoted else "") or _first_id(text),
        recipients=list(dict.fromkeys(addresses))[:20],
        automatic=True,
        cause="" if waits else (_STATUS.get(status[0]) if status else None) or cause_of(text),
        status=status[0] if status else "",
    )


def cause_of(said: str) -> str:
    """Give the stable code of what a server said about a mail that did not arrive; ``other`` where nothing fits."""
    return next((code for code, words in _CAUSES if re.search(words, said, re.IGNORECASE)), "other")


def _recipients(fields: list[str]) -> list[str]:
    return [one_line(field.rpartition(";")[2], most=254) for field in fields[:200] if field]


def _from_xtext(text: str) -> str:
    """Undo what RFC 3461 4 does to signs in ORCPT and ENVID; servers give them back in either form."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)


def _first_id(text: str) -> str:
    return found[0] if (found := _MESSAGE_ID.search(text)) and "@" in found[0] else ""


def _quoted_id(leaves: dict[str, Node]) -> str:
    """Give the Message-ID of the mail that a report carries along."""
    for media_type in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
        if media_type in leaves:
            return _first_id(read_block(leaves[media_type].body()).get("message-id", ""))
    return ""
