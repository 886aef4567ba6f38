"""Pages of other people where appointments are booked by hand. Source: docs/spec/agenda-partners.md 7."""

from collections.abc import Mapping
from typing import Final

from yarl import URL

PLATFORMS: Final[Mapping[str, str]] = {
    "doctolib.fr": "Doctolib",
    "doctolib.de": "Doctolib",
    "doctolib.it": "Doctolib",
    "maiia.com": "Maiia",
    "keldoc.com": "Keldoc",
    "qare.fr": "Qare",
    "clicrdv.com": "ClicRDV",
    "medaviz.com": "Medaviz",
    "ordoclic.fr": "Ordoclic",
    "rendezvousfacile.com": "RendezVousFacile",
}
"""Names of hosts and of everything below them, for the label; a page elsewhere works as well."""
LONGEST: Final = 500  # characters of an address


def page(address: str) -> URL:
    """Read the address of a booking page that the practice configured; raises ValueError.

    What identifies a person has no place in it: neither a password nor a fragment nor an address of mail.
    """
    url = URL(address)
    if url.scheme != "https" or not url.host or url.user or url.fragment or len(address) > LONGEST:
        raise ValueError("a booking page begins with https:// and holds no password and no fragment")
    if "@" in url.path_qs:
        raise ValueError("a booking page holds no mail address")
    return url


def label(url: URL) -> str:
    """Give the name that people know a page by: of the platform, else of the host."""
    host = url.host or ""
    known = (name for host_of, name in PLATFORMS.items() if host == host_of or host.endswith("." + host_of))
    return next(known, host.removeprefix("www."))
