"""IHE_XDM.ZIP, made: the same draft gives the same bytes. Source: docs/spec/mail.md 9."""

import html
import io
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import msgspec

from bridges.mail.cda_making import make_cda
from bridges.mail.inputs import Draft
from bridges.mail.metadata_making import make_metadata, oid_of

_FOLDER: Final = "IHE_XDM/SUBSET01/"
_DOCUMENT: Final = "DOC0001.XML"
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Made:
    """An archive and the id of the document in it."""

    archive: bytes
    document_id: str


def make_xdm(draft: Draft) -> Made:
    """Make the archive of one document."""
    known = msgspec.json.encode(
        (draft.patient, draft.author, draft.type.code, draft.title, draft.made_at, draft.replaces, draft.version)
    )
    document_id = oid_of(draft.pdf, known)
    cda = make_cda(draft, document_id=document_id)
    contents = {
        "INDEX.HTM": _index(draft).encode(),
        "README.TXT": _readme(draft).encode(),
        f"{_FOLDER}METADATA.XML": make_metadata(draft, cda, document_id=document_id, uri=_DOCUMENT),
        f"{_FOLDER}{_DOCUMENT}": cda,
    }
    return Made(_pack(contents), document_id)


def _pack(contents: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _EARLIEST), octets, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _readme(draft: Draft) -> str:
    return (
        f"Emetteur : {draft.author.institution}\r\n"
        f"Application : Pli, pont MSSante, version {version('pli')}, edite par le projet Pli\r\n"
        "Ouvrir INDEX.HTM dans un navigateur pour la liste des documents.\r\n"
        f"Arborescence :\r\n  INDEX.HTM\r\n  README.TXT\r\n  {_FOLDER}METADATA.XML\r\n  {_FOLDER}{_DOCUMENT}\r\n"
    )


def _index(draft: Draft) -> str:
    title, institution = html.escape(draft.title), html.escape(draft.author.institution)
    return (
        '<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>IHE_XDM</title></head><body>'
        f'<h1>{institution}</h1><ul><li><a href="{_FOLDER}{_DOCUMENT}">{title}</a></li></ul>'
        '<p><a href="README.TXT">README.TXT</a></p></body></html>\r\n'
    )
