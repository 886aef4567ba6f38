"""Why a mail did not arrive, in the words of people. Source: docs/spec/mail.md 8, 16, 17 and 22."""

from typing import Final, Literal

Language = Literal["fr", "en"]
_WORDS: Final[dict[str, tuple[str, str]]] = {
    # bounces and delivery reports
    "box_closed": ("la boîte est fermée", "the mailbox is closed"),
    "patient_unknown": ("l'adresse n'existe pas", "the address does not exist"),
    "address_invalid": ("l'adresse n'est pas valable", "the address is not valid"),
    "too_large": ("le message est trop volumineux", "the message is too large"),
    "box_full": ("la boîte est pleine", "the mailbox is full"),
    # acknowledgements of software
    "900": (
        "le logiciel du destinataire ne prend pas cette version du document",
        "the recipient's software does not take this version of the document",
    ),
    "901": (
        "pour le logiciel du destinataire, l'auteur n'est pas habilité à produire ce document",
        "the recipient's software holds that the author is not entitled to write this document",
    ),
    "902": ("le destinataire ne connaît pas ce patient", "the recipient does not know this patient"),
    "903": ("l'INS du patient manque dans le document", "the document lacks the patient's INS"),
    "904": (
        "l'INS du document n'est pas celle que connaît le destinataire",
        "the INS in the document differs from the one the recipient knows",
    ),
    "905": (
        "l'INS du document est incomplète : il manque des traits d'identité",
        "the INS in the document is incomplete: traits of identity are missing",
    ),
    "906": (
        "le logiciel du destinataire n'a pas pu classer le document",
        "the recipient's software could not file the document",
    ),
    # our own refusals, before anything left
    "recipient_not_in_directory": (
        "cette adresse n'est pas dans l'annuaire des boîtes MSSanté, et n'a pas écrit dans cette conversation",
        "this address is not in the directory of MSSanté mailboxes, and did not write in this conversation",
    ),
    "recipient_inactive": (
        "l'annuaire dit que cette boîte, ou l'activité de son titulaire, a pris fin",
        "the directory says that this mailbox, or its holder's activity, has ended",
    ),
    "recipient_ambiguous": (
        "l'annuaire donne cette boîte personnelle à plusieurs personnes",
        "the directory gives this personal mailbox to several people",
    ),
    "recipient_not_trusted": (
        "cette adresse n'est pas dans l'espace de confiance MSSanté",
        "this address is outside of the trusted MSSanté space",
    ),
    "directory_too_old": (
        "la copie de l'annuaire a plus de 30 jours et ne fait plus foi",
        "the copy of the directory is over 30 days old and does not count any more",
    ),
    "directory_unavailable": (
        "l'annuaire des boîtes MSSanté n'a pas répondu",
        "the directory of MSSanté mailboxes did not answer",
    ),
}


def words(cause: str, language: Language) -> str:
    """Say a cause; an empty text for one that has no words."""
    pair = _WORDS.get(cause)
    return "" if pair is None else pair[0] if language == "fr" else pair[1]
