"""A conversation as a ZIP that anybody can check without a server. Source: docs/spec/protocol.md 12."""

import html
import json
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridges.kit.client import Client, Reading
from bridges.kit.device import milliseconds
from bridges.kit.errors import AlarmError, UsageError
from bridges.kit.files import safe_name
from bridges.kit.log import Log
from bridges.kit.people import People
from bridges.kit.views import attachments_of, message_views
from bridges.kit.wire import to_text
from crypto.content import Attachment

MANIFEST: Final = "export.json"
KEYS: Final = "keys.json"
MESSAGES: Final = "messages.json"
TRIMMED: Final = "trimmed.json"
PAGE: Final = "messages.html"


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into an export."""

    messages: int
    documents: int
    trimmed: dict[str, int] | None
    """Where it begins, when not at the beginning of the conversation, and how much is missing."""


async def export(client: Client, conversation: bytes, out: Path) -> Exported:
    """Write everything that this account may read of a conversation, with what proves it.

    The file holds readable messages and the keys to check them: it is as confidential as the conversation.

    Raises:
        UsageError: ``file_exists``, ``file_unreadable``. ProtocolError: what does not hold is not exported.

    """
    _require_new(out)
    reading = await client.look(conversation)
    for code in reading.log.errors:
        raise AlarmError(code, "a message does not hold")
    store = client.device.store
    with tempfile.TemporaryDirectory(dir=client.device.home.folder) as folder:
        partial = Path(folder) / "export.zip"
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            _write(archive, MANIFEST, _manifest(client, conversation))
            for account in sorted(reading.conversation.opened.accounts):
                archive.writestr(f"accounts/{to_text(account)}.chain", pack_links(store.links(account)))
            for number, (record, _) in enumerate(store.epochs(conversation), 1):
                archive.writestr(f"epochs/{number}.record", record)
            _write(archive, KEYS, {"epochs": _keys(reading)})
            for event in store.events(conversation):
                if event.type == "envelope" and event.envelope and event.id:
                    archive.writestr(envelope_name(event.seq, event.id), event.envelope)
            documents, gone = await _documents(client, reading, archive, Path(folder))
            trimmed = _trimmed(reading.log, gone)
            if trimmed is not None:
                _write(archive, TRIMMED, trimmed)
            views = plain_views(reading.log, reading.people, gone)
            _write(archive, MESSAGES, {"subject": reading.conversation.roster.subject, "messages": views})
            archive.writestr(PAGE, page(reading.conversation.roster.subject, views))
        _publish(partial, out)
    return Exported(len(views), documents, missing_view(trimmed))


def _require_new(out: Path) -> None:
    if out.exists():
        raise UsageError("file_exists", path=str(out))


def _publish(partial: Path, out: Path) -> None:
    try:
        with out.open("xb") as file, partial.open("rb") as whole:
            shutil.copyfileobj(whole, file)
    except FileExistsError as error:
        raise UsageError("file_exists", path=str(out)) from error
    except OSError as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(out)) from error


def _manifest(client: Client, conversation: bytes) -> dict[str, Any]:
    device = client.device
    return {
        "v": 1,
        "conversation": to_text(conversation),
        "exported_at": milliseconds(),
        "server": device.home.server,
        "registry_key": to_text(device.directory.registry),
        "by": to_text(device.id),
    }


def _keys(reading: Reading) -> list[dict[str, Any]]:
    ring = reading.conversation.opened.keyring
    return [{"epoch": number, "cek": to_text(ring[number].cek.reveal())} for number in sorted(ring)]


async def _documents(
    client: Client, reading: Reading, archive: zipfile.ZipFile, folder: Path
) -> tuple[int, set[bytes]]:
    """Write the documents; tells how many, and which ones the server no longer has, as it may (7.6)."""
    written, gone = set(), set()
    for line in reading.log.lines:
        for reference in attachments_of(line):
            name = document_name(reference)
            if name in written:
                continue
            path = await client.save(reading, line, reference, folder)
            if path is None:
                gone.add(reference.id)
                continue
            archive.write(path, name)
            path.unlink()
            written.add(name)
            gone.discard(reference.id)
    return len(written), gone


def _trimmed(log: Log, gone: Collection[bytes]) -> dict[str, Any] | None:
    if log.trimmed is None:
        return None
    places = [{"seq": line.seq, "id": to_text(line.id), "kind": line.kind} for line in log.lines if line.trimmed]
    documents = sorted(to_text(each) for each in gone)
    return {"from": log.trimmed.first, "before": log.trimmed.before, "places": places, "documents": documents}


def missing_view(trimmed: Mapping[str, Any] | None) -> dict[str, int] | None:
    """Count what ``trimmed.json`` names."""
    if trimmed is None:
        return None
    messages = sum(place["kind"] != "receipt" for place in trimmed["places"])
    counts = {"missing": messages, "documents_missing": len(trimmed["documents"])}
    return {"from": trimmed["from"], "before": trimmed["before"], **counts}


def plain_views(log: Log, people: People, gone: Collection[bytes] = ()) -> list[dict[str, Any]]:
    """Describe the messages by what is signed alone: nothing that only a server tells. ``gone``: documents not here."""
    paths = {a.id: document_name(a) for line in log.lines for a in attachments_of(line) if a.id not in gone}
    views = message_views(log, people, paths=paths)
    return [{name: value for name, value in view.items() if name not in {"at", "warning"}} for view in views]


def envelope_name(seq: int, message: bytes) -> str:
    """Name an envelope's file."""
    return f"envelopes/{seq:08}-{to_text(message)}.envelope"


def document_name(reference: Attachment) -> str:
    """Name a document's file."""
    return f"documents/{to_text(reference.id)}/{safe_name(reference.name)}"


def pack_links(links: list[bytes]) -> bytes:
    """Write a chain: each link as ``u32 length | wire``."""
    return b"".join(struct.pack(">I", len(link)) + link for link in links)


def _write(archive: zipfile.ZipFile, name: str, value: Any) -> None:
    archive.writestr(name, dump(value))


def dump(value: Any) -> bytes:
    """Write JSON for people and for comparison: one spelling."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode()


def page(subject: str, views: list[dict[str, Any]]) -> str:
    """Render the messages for people: one spelling, no script, nothing from elsewhere."""
    head = '<!doctype html><html><head><meta charset="utf-8"><title>%s</title></head><body><h1>%s</h1>'
    title = html.escape(subject)
    return head % (title, title) + "".join(_article(view) for view in views) + "</body></html>\n"


def _link(attachment: dict[str, Any]) -> str:
    name = html.escape(attachment["name"])
    return name if attachment["path"] is None else f'<a href="{html.escape(attachment["path"])}">{name}</a>'


def _said(value: Any) -> str:
    return html.escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))


def _article(view: dict[str, Any]) -> str:
    author = view["author"] or {"name": "", "role": "", "verified": False}
    mark = " ✓" if author["verified"] else ""
    text = html.escape(view["text"]).replace("\n", "<br>")
    act = "".join(
        f"<dt>{html.escape(k)}</dt><dd>{_said(v)}</dd>" for k, v in sorted(view.get("appointment", {}).items())
    )
    links = "".join(f"<li>{_link(a)} sha256 {a['sha256']}</li>" for a in view["attachments"])
    read = "".join(f"<li>{html.escape(r['name'])}: {r['at']}</li>" for r in view["read_by"])
    who = f"{html.escape(author['name'])}{mark} ({html.escape(author['role'])})"
    return (
        f'<article id="{view["id"]}"><h2>{view["seq"]} · {who} · {html.escape(view["type"])}</h2>'
        f"<p>{text}</p>{f'<dl>{act}</dl>' if act else ''}<ul>{links}</ul><ul>{read}</ul></article>"
    )
