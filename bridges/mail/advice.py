"""What a person can do about a part that does not work. Source: docs/operate/mail.md."""

from typing import Final, NamedTuple

from bridges.kit.words import say


class _Words(NamedTuple):
    fr: str
    en: str


_ADVICE: Final = {
    "sign_in_again": _Words(
        "La session est terminée : reconnectez-vous chez le fournisseur d'identité et mettez le nouveau jeton de "
        "rafraîchissement dans refresh_token_file. Le courrier attend, rien n'est perdu.",
        "The session has ended: sign in again at the identity provider and put the new refresh token into "
        "refresh_token_file. Mail waits, nothing is lost.",
    ),
    "client_refused": _Words(
        "Le fournisseur d'identité ne reconnaît pas ce programme : vérifiez client_id et client_secret_file.",
        "The identity provider does not know this program: look at client_id and client_secret_file.",
    ),
    "credentials_refused": _Words(
        "Le serveur refuse ces identifiants : vérifiez user et le secret ; trop d'essais ferment une boîte.",
        "The server refuses these credentials: look at user and the secret; too many tries close a mailbox.",
    ),
    "certificate_revoked": _Words(
        "Le certificat du serveur est révoqué : rien ne lui est montré. Appelez l'opérateur de la messagerie.",
        "The server's certificate was revoked: nothing is shown to it. Call the operator of the mailbox.",
    ),
    "revocation_unknown": _Words(
        "La liste des certificats révoqués est introuvable : ouvrez la sortie HTTP vers l'autorité de certification.",
        "The list of revoked certificates cannot be had: open the way by HTTP to the certificate authority.",
    ),
    "certificate_expired": _Words(
        "Le certificat du serveur n'est pas valable aujourd'hui : vérifiez l'heure, puis appelez l'opérateur.",
        "The server's certificate is not valid today: look at the clock, then call the operator.",
    ),
    "certificate_not_trusted": _Words(
        "L'autorité du certificat du serveur n'est pas dans ca_file.",
        "The authority of the server's certificate is not in ca_file.",
    ),
    "certificate_other_name": _Words(
        "Le certificat est celui d'une autre machine : vérifiez host.",
        "The certificate is another machine's: look at host.",
    ),
    "certificate_refused": _Words(
        "Le serveur refuse notre certificat client, ou en demande un : vérifiez certificate_file et sa date.",
        "The server refuses our client certificate, or asks for one: look at certificate_file and its dates.",
    ),
    "lient certificate": _Words(  # as Postfix says it
        "Le serveur refuse notre certificat client : vérifiez certificate_file, sa date et son autorité.",
        "The server refuses our client certificate: look at certificate_file, its dates and its authority.",
    ),
    "file_unreadable": _Words(
        "Un fichier de la configuration ne se lit pas.",
        "A file of the configuration cannot be read.",
    ),
    "no_program": _Words(
        "Les PDF des archives partent tels quels, or MSSanté demande PDF/A-1 : installez Ghostscript "
        "(Debian : apt-get install ghostscript).",
        "PDFs of archives leave as they came, but MSSanté asks for PDF/A-1: install Ghostscript "
        "(Debian: apt-get install ghostscript).",
    ),
    "home_unsafe": _Words("D'autres peuvent lire ce fichier : chmod 0600.", "Others can read this file: chmod 0600."),
}


def advice(reason: str) -> str:
    """Give what to do about the reason of a condition; nothing where waiting is enough."""
    found = next((words for word, words in _ADVICE.items() if word in reason), None)
    return say(*found) if found else ""
