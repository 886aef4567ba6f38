"""Sentences for people, in French and English: what happened, and what to do about it."""

import os
from typing import Final, NamedTuple


class Sentence(NamedTuple):
    """What happened, and what to do."""

    message: str
    hint: str


Pair = tuple[Sentence, Sentence]  # French first, then English


def _pair(fr: str, fr_hint: str, en: str, en_hint: str) -> Pair:
    return Sentence(fr, fr_hint), Sentence(en, en_hint)


_STOP_FR: Final = "Arrêtez-vous là et prévenez votre correspondant par un autre moyen : rien n'a été envoyé."
_STOP_EN: Final = "Stop here and tell the other person by another way: nothing was sent."
_ASK_FR: Final = "Demandez au professionnel une nouvelle invitation."
_ASK_EN: Final = "Ask the professional for a new invitation."
_LATER_FR: Final = "Relancez la même commande dans un moment : rien ne sera envoyé deux fois."
_LATER_EN: Final = "Run the same command again in a moment: nothing will be sent twice."
_FORM_FR: Final = "Vérifiez la commande avec --help, et que programme et serveur sont à jour."
_FORM_EN: Final = "Check the command with --help, and that the program and the server are up to date."

SENTENCES: Final[dict[str, Pair]] = {
    "usage": _pair(
        "La commande n'est pas complète ou pas correcte.",
        "Ajoutez --help pour voir ce qu'elle attend.",
        "The command is incomplete or not correct.",
        "Add --help to see what it expects.",
    ),
    "bad_code": _pair(
        "Ce code n'a pas la forme attendue.",
        "Recopiez-le lettre par lettre depuis votre papier.",
        "This code does not have the right form.",
        "Copy it letter by letter from your paper.",
    ),
    "bad_check": _pair(
        "Il y a une faute de frappe dans ce code.",
        "Comparez chaque groupe avec votre papier.",
        "There is a typing error in this code.",
        "Compare each group with your paper.",
    ),
    "bad_link": _pair(
        "Ce lien n'est pas complet.",
        "Copiez le lien entier, avec tout ce qui suit le signe #, entre guillemets.",
        "This link is not complete.",
        "Copy the whole link, with everything after the # sign, in quotes.",
    ),
    "home_empty": _pair(
        "Ce dossier ne contient pas encore de compte.",
        "Commencez par account create, claim ou recover.",
        "This home holds no account yet.",
        "Begin with account create, claim or recover.",
    ),
    "home_taken": _pair(
        "Ce dossier contient déjà un compte.",
        "Donnez un autre dossier avec --home.",
        "This home already holds an account.",
        "Give another folder with --home.",
    ),
    "home_unsafe": _pair(
        "Les clés de ce dossier ne sont pas protégées.",
        "Réservez-les à leur propriétaire : chmod -R go-rwx DOSSIER.",
        "The keys in this home are not protected.",
        "Keep them to their owner: chmod -R go-rwx HOME.",
    ),
    "home_busy": _pair(
        "Un autre pli-bridge utilise ce dossier.",
        "Attendez qu'il ait fini, puis relancez.",
        "Another pli-bridge is using this home.",
        "Wait until it has finished, then run it again.",
    ),
    "wrong_passphrase": _pair(
        "La phrase secrète n'ouvre pas ce dossier.",
        "Donnez la bonne dans PLI_PASSPHRASE ou à la demande.",
        "The passphrase does not open this home.",
        "Give the right one in PLI_PASSPHRASE or when asked.",
    ),
    "no_server": _pair(
        "On ne sait pas à quel serveur s'adresser.",
        "Ajoutez --server https://…",
        "It is not known which server to talk to.",
        "Add --server https://…",
    ),
    "file_unreadable": _pair(
        "Ce fichier ne peut pas être lu ou écrit.",
        "Vérifiez son chemin et ses droits.",
        "This file cannot be read or written.",
        "Check its path and permissions.",
    ),
    "file_empty": _pair(
        "Ce fichier est vide.",
        "Choisissez le document lui-même : un fichier de 0 octet ne s'envoie pas.",
        "This file is empty.",
        "Choose the document itself: a file of 0 bytes is not sent.",
    ),
    "file_exists": _pair(
        "Ce fichier existe déjà.",
        "Choisissez un autre nom : rien n'est écrasé.",
        "This file already exists.",
        "Choose another name: nothing is overwritten.",
    ),
    "bad_request": _pair(
        "Le serveur n'a pas compris la demande.", _FORM_FR, "The server did not understand the request.", _FORM_EN
    ),
    "unauthenticated": _pair("La session a pris fin.", _LATER_FR, "The session has ended.", _LATER_EN),
    "signature_refused": _pair(
        "Le serveur ne reconnaît pas cet appareil ou ce code.",
        "Vérifiez le code ou le serveur. Pour un appareil retiré : account recover, dans un autre dossier.",
        "The server does not recognise this device or code.",
        "Check the code or the server. For a removed device: account recover, in another home.",
    ),
    "device_removed": _pair(
        "Cet appareil a été retiré de votre compte, depuis un autre. Tout ce qu'il gardait vient d'être effacé d'ici.",
        "Rien n'est perdu : vos autres appareils lisent tout. Pour revenir ici : account recover.",
        "This device was removed from your account, from another one. All that it kept has just been erased from here.",
        "Nothing is lost: your other devices read everything. To come back here: account recover.",
    ),
    "not_permitted": _pair(
        "Votre rôle ne permet pas cela ici.",
        "Demandez au professionnel responsable de la conversation.",
        "Your role does not allow this here.",
        "Ask the professional who is responsible for the conversation.",
    ),
    "start_not_allowed": _pair(
        "Seul un professionnel ouvre une conversation.",
        "Répondez dans une conversation existante, ou écrivez à une pharmacie qui l'accepte.",
        "Only a professional starts a conversation.",
        "Answer in an existing one, or write to a pharmacy that accepts it.",
    ),
    "reply_not_allowed": _pair(
        "Le professionnel n'attend pas de réponse ici.",
        "Votre message n'est pas parti. Téléphonez au cabinet ; en cas d'urgence, appelez le 15 ou le 112.",
        "The professional does not expect an answer here.",
        "Your message was not sent. Phone the practice; in an emergency call 15 or 112.",
    ),
    "patient_blocked": _pair(
        "Le patient ne souhaite plus recevoir de messages de votre part.",
        "Votre message n'est pas parti, et c'est définitif. Si c'est nécessaire, écrivez-lui par courrier.",
        "The patient does not wish to receive messages from you any more.",
        "Your message was not sent, and that is final. If it is necessary, write by post.",
    ),
    "patient_left": _pair(
        "Le patient a quitté cette conversation.",
        "Votre message n'est pas parti, et c'est définitif : personne ne le lirait.",
        "The patient has left this conversation.",
        "Your message was not sent, and that is final: nobody would read it.",
    ),
    "unlocker_missing": _pair(
        "Ce compte n'a qu'un seul moyen d'accès.",
        "Ajoutez un code de récupération avant d'écrire.",
        "This account has only one way in.",
        "Add a recovery code before writing.",
    ),
    "not_found": _pair(
        "Introuvable, ou pas pour vous.",
        "Vérifiez l'identifiant avec la commande conversations ou contacts.",
        "Not there, or not for you.",
        "Check the id with the command conversations or contacts.",
    ),
    "invitation_unknown": _pair(
        "Cette invitation n'existe pas.",
        "Vérifiez le lien ou le code. " + _ASK_FR,
        "There is no such invitation.",
        "Check the link or the code. " + _ASK_EN,
    ),
    "invitation_used": _pair(
        "Cette invitation a déjà servi.",
        "Si ce n'était pas vous, prévenez le professionnel. Sinon, utilisez account recover.",
        "This invitation has already been used.",
        "If that was not you, tell the professional. Otherwise use account recover.",
    ),
    "invitation_expired": _pair(
        "Cette invitation n'est plus valable.", _ASK_FR, "This invitation has expired.", _ASK_EN
    ),
    "invitation_replaced": _pair(
        "Une invitation plus récente remplace celle-ci.",
        "Utilisez la dernière reçue.",
        "A newer invitation replaces this one.",
        "Use the latest one.",
    ),
    "activation_invalid": _pair(
        "Ce lien d'activation est inconnu, déjà utilisé ou périmé.",
        "Demandez-en un autre à l'administrateur du serveur.",
        "This activation link is unknown, used or expired.",
        "Ask the operator of the server for another.",
    ),
    "stale_epoch": _pair("Les membres viennent de changer.", _LATER_FR, "The members have just changed.", _LATER_EN),
    "stale_head": _pair(
        "Le compte vient de changer sur un autre appareil.",
        _LATER_FR,
        "The account has just changed on another device.",
        _LATER_EN,
    ),
    "already_read": _pair(
        "Trop tard : le message a été lu.",
        "Envoyez une correction.",
        "Too late: the message has been read.",
        "Send a correction.",
    ),
    "last_owner": _pair(
        "Une conversation garde au moins un responsable.",
        "Ajoutez d'abord un autre professionnel.",
        "A conversation keeps at least one person responsible.",
        "Add another professional first.",
    ),
    "attachment_exists": _pair(
        "Ce document a déjà été déposé autrement.",
        _LATER_FR,
        "This document was already uploaded differently.",
        _LATER_EN,
    ),
    "offset_conflict": _pair(
        "L'envoi du document a été interrompu.", _LATER_FR, "The upload of the document was interrupted.", _LATER_EN
    ),
    "invitation_refused": _pair(
        "Cette invitation a été refusée.",
        "Son destinataire ne veut pas de compte. Passez par un autre moyen.",
        "This invitation was refused.",
        "Whoever it was for wants no account. Use another way.",
    ),
    "envelope_too_large": _pair(
        "Ce message est trop long.",
        "Raccourcissez-le, ou joignez un document.",
        "This message is too long.",
        "Shorten it, or attach a document.",
    ),
    "attachment_too_large": _pair(
        "Ce document est trop lourd.",
        "Envoyez-le en plusieurs parties, ou en moins bonne définition.",
        "This document is too large.",
        "Send it in parts, or in a lower resolution.",
    ),
    "attachment_unknown": _pair(
        "Le document n'est pas arrivé entier.", _LATER_FR, "The document did not arrive whole.", _LATER_EN
    ),
    "too_many_tries": _pair(
        "Trop d'essais.",
        "Attendez un quart d'heure avant de recommencer.",
        "Too many tries.",
        "Wait a quarter of an hour before trying again.",
    ),
    "internal": _pair("Le serveur a rencontré une erreur.", _LATER_FR, "The server met an error.", _LATER_EN),
    "unavailable": _pair("Le serveur n'est pas disponible.", _LATER_FR, "The server is not available.", _LATER_EN),
    "storage_full": _pair(
        "Le serveur n'a plus de place : rien n'a été enregistré.",
        "Prévenez l'administrateur du serveur.",
        "The server is full: nothing was stored.",
        "Tell the operator of the server.",
    ),
    "network": _pair(
        "Le serveur ne répond pas.",
        "Vérifiez la connexion et l'adresse. " + _LATER_FR,
        "The server does not answer.",
        "Check the connection and the address. " + _LATER_EN,
    ),
    "bad_answer": _pair(
        "La réponse ne vient pas d'un serveur Pli.",
        "Vérifiez l'adresse donnée avec --server.",
        "The answer does not come from a Pli server.",
        "Check the address given with --server.",
    ),
    "agenda_away": _pair(
        "L'agenda ne répond pas.",
        "Vérifiez l'adresse et la connexion. " + _LATER_FR,
        "The agenda does not answer.",
        "Check the address and the connection. " + _LATER_EN,
    ),
    "recipient_not_trusted": _pair(
        "Cette adresse n'est pas dans l'espace de confiance MSSanté.",
        "Vérifiez le domaine, ou la partie [trust] de la configuration du pont.",
        "This address is outside of the trusted MSSanté space.",
        "Check the domain, or the part [trust] of the bridge's configuration.",
    ),
    "agenda_refused": _pair(
        "L'agenda a refusé.",
        "Vérifiez l'identifiant, le mot de passe et le nom de l'agenda.",
        "The agenda refused.",
        "Check the user, the password and the name of the calendar.",
    ),
    "agenda_not_found": _pair(
        "À cette adresse, il n'y a pas d'agenda, ou il y en a plusieurs.",
        "Vérifiez l'adresse, et le nom de l'agenda s'il y en a plusieurs.",
        "There is no calendar at that address, or there are several.",
        "Check the address, and the name of the calendar when there are several.",
    ),
    "agenda_untrusted": _pair(
        "On ne peut pas se fier à ce qui répond à cette adresse : rien n'a été envoyé.",
        "Vérifiez l'adresse et son certificat ; pour un agenda de votre réseau : inside, authority_file.",
        "What answers at that address cannot be trusted: nothing was sent.",
        "Check the address and its certificate; for an agenda of your own network: inside, authority_file.",
    ),
    "wrong_inviter": _pair(
        "L'invitation ne vient pas de la personne qu'elle annonce.",
        _STOP_FR,
        "The invitation does not come from whom it claims.",
        _STOP_EN,
    ),
    "rollback": _pair(
        "Le serveur montre un passé plus court que celui déjà vu.",
        _STOP_FR,
        "The server shows less of the past than was seen before.",
        _STOP_EN,
    ),
    "fork": _pair(
        "Le serveur montre un passé différent de celui déjà vu.",
        _STOP_FR,
        "The server shows another past than was seen before.",
        _STOP_EN,
    ),
    "withheld": _pair("Le serveur retient des messages.", _STOP_FR, "The server is holding messages back.", _STOP_EN),
    "mirror_mismatch": _pair(
        "Le serveur annonce un droit de réponse que le professionnel n'a pas signé.",
        _STOP_FR,
        "The server announces a reply right that the professional did not sign.",
        _STOP_EN,
    ),
    "export_differs": _pair(
        "Cet export a été modifié ou n'est pas complet.",
        "Ne vous y fiez pas ; demandez-en un nouveau.",
        "This export was changed or is not complete.",
        "Do not rely on it; ask for a new one.",
    ),
    "open_failed": _pair(
        "Un contenu ne s'ouvre pas : il a été modifié en route.",
        _STOP_FR,
        "Something does not open: it was changed on the way.",
        _STOP_EN,
    ),
}
SENTENCES.update(
    dict.fromkeys(
        ("csrf", "method_not_allowed", "request_too_large", "unsupported_media_type", "range_not_satisfiable"),
        SENTENCES["bad_request"],
    )
)
SENTENCES.update(
    attachment_empty=SENTENCES["file_empty"],
    wrong_conversation=SENTENCES["bad_request"],
    quota_exceeded=_pair(
        "Votre espace pour les documents est plein ici.",
        "Demandez à l'administrateur du serveur de l'agrandir.",
        "Your space for documents is full here.",
        "Ask the operator of the server for more.",
    ),
)
_CHECK: Final = _pair("Un contrôle de sécurité a échoué.", _STOP_FR, "A security check failed.", _STOP_EN)
_OTHER: Final = _pair("La demande a été refusée.", _FORM_FR, "The request was refused.", _FORM_EN)

ROLES: Final = {
    "owner": ("responsable", "responsible"),
    "professional": ("professionnel", "professional"),
    "member": ("membre", "member"),
    "patient": ("patient", "patient"),
    "delegate": ("délégué", "delegate"),
    "service": ("service", "service"),
}
PROFESSIONS: Final = {
    "10": ("médecin", "doctor"),
    "21": ("pharmacien", "pharmacist"),
    "40": ("chirurgien-dentiste", "dentist"),
    "50": ("sage-femme", "midwife"),
    "60": ("infirmier", "nurse"),
    "70": ("masseur-kinésithérapeute", "physiotherapist"),
}
REPLIES: Final = {
    "open": ("réponse possible", "answers allowed"),
    "none": ("sans réponse", "no answer expected"),
    "until": ("réponse possible jusqu'à une date", "answers allowed until a date"),
    "ended": ("terminée", "ended"),
}


def french() -> bool:
    """Whether the environment asks for French (LC_ALL, LC_MESSAGES, LANG); English otherwise."""
    language = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return language.lower().startswith("fr")


def say(fr: str, en: str) -> str:
    """Choose one of two wordings."""
    return fr if french() else en


def explain(code: str, *, of_protocol: bool) -> Sentence:
    """Give the sentence and the hint for an error code; every code has one."""
    pair = SENTENCES.get(code) or (_CHECK if of_protocol else _OTHER)
    return pair[0] if french() else pair[1]


def word(table: dict[str, tuple[str, str]], name: str) -> str:
    """Translate a fixed word; an unknown one stays as it is."""
    return say(*table[name]) if name in table else name
