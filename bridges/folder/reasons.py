"""Why something in the drop folder is refused. The codes are stable: software may act on them."""

from typing import Final

from bridges.kit.words import say

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "sidecar_missing": ("Le fichier JSON qui doit l'accompagner n'est pas venu.", "The JSON beside it did not come."),
    "sidecar_broken": ("Le fichier JSON ne peut pas être suivi.", "The JSON beside it cannot be followed."),
    "file_missing": ("Un fichier annoncé n'est pas venu.", "A file that was announced did not come."),
    "file_incomplete": ("Un fichier est vide ou incomplet.", "A file is empty or incomplete."),
    "file_unreadable": (
        "Un fichier ne peut pas être lu, ou est trop grand.",
        "A file cannot be read, or is too large.",
    ),
    "nobody": ("Rien ne dit à qui écrire.", "Nothing says whom to write to."),
    "patient_unknown": (
        "Ce patient n'est pas connu ; « invite » dans le fichier JSON l'inviterait.",
        'This patient is not known; "invite" in the JSON would invite them.',
    ),
    "patient_differs": ("L'identité et le document se contredisent.", "Identity and document contradict each other."),
    "several_patients": ("Les documents concernent plusieurs patients.", "The documents are about several patients."),
    "ins_wrong": ("Le matricule INS manque ou n'est pas valable.", "The health identity is missing or not right."),
    "opposition": ("Le patient ne veut pas recevoir de messages.", "The patient does not want messages."),
    "closed": ("Le patient a fermé son compte.", "The patient has closed the account."),
    "hidden_from_patient": ("Le document est marqué invisible au patient.", "The document is hidden from the patient."),
    "not_for_patient": ("Le message n'est pas destiné au patient.", "The message is not meant for the patient."),
    "hl7_deletion": ("Un document envoyé ne peut pas être supprimé.", "A document that was sent cannot be deleted."),
    "too_many_files": ("Plus de 20 fichiers.", "More than 20 files."),
    "empty": ("Ni texte ni document.", "Neither text nor document."),
}


class RefusalError(Exception):
    """Something that is not sent."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail[:300]


def explain(reason: str) -> str:
    """Say a reason in the language of this machine."""
    words = _WORDS.get(reason)
    if words is not None:
        return say(*words)
    return say(f"Le fichier n'a pas pu être transmis ({reason}).", f"The file could not be sent ({reason}).")
