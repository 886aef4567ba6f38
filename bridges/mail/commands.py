"""``pli-bridge mail``: reading, judging and making without a server. Source: docs/operate/mail.md."""

import argparse
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509

from bridges.kit.errors import UsageError
from bridges.kit.files import read_up_to
from bridges.mail import bridge_commands, limits, whitelist
from bridges.mail.cda import Document, is_pdf_a_1
from bridges.mail.directory import commands as directory_commands
from bridges.mail.inputs import Draft, Subject, Writer, document_type, read_input
from bridges.mail.metadata_making import has_class
from bridges.mail.pdf_a.converting import Converted, convert
from bridges.mail.reading import set_aside
from bridges.mail.sandbox import Sandbox
from bridges.mail.signature import SignatureError
from bridges.mail.words import one_line
from bridges.mail.worker import Answer
from bridges.mail.xdm_making import make_xdm
from bridges.terminal.output import Output

_BRIDGE: Final[dict[str | None, Callable[[argparse.Namespace, Output], Awaitable[int | None]]]] = {
    None: bridge_commands.run,
    "doctor": bridge_commands.doctor,
    "quarantine": bridge_commands.quarantine,
    "patients": bridge_commands.patients,
    "directory": directory_commands.directory,
}
REFUSED = 3  # exit code: the answer is no


async def mail(args: argparse.Namespace, out: Output) -> int | None:
    """Run one action; without one, the bridge."""
    if args.action in _BRIDGE:
        return await _BRIDGE[args.action](args, out)
    if args.action == "parse":
        await _parse(args.files, out)
    elif args.step == "verify":
        return _verify(args, out)
    elif args.step == "build":
        await _build(args, out)
    else:
        return await _open(args.file, read_up_to(args.file, limits.RAW + 1), out)
    return 0


async def _parse(files: list[str], out: Output) -> None:
    """Say of each file what became of it, under the very name it was given by.

    A file that cannot be read is one more outcome, never an end.
    """
    async with Sandbox() as sandbox:
        for each in files:
            out.line({"file": each, **plain(await _read_file(sandbox, Path(each)))})


async def _read_file(sandbox: Sandbox, path: Path) -> Answer:
    try:
        raw = read_up_to(path, limits.RAW + 1)
    except OSError as error:
        return Answer(set_aside("unreadable", type(error).__name__), 0.0, 0.0)
    if len(raw) > limits.RAW:  # its digest is not known: we did not read it to its end
        return Answer(set_aside("too_large"), 0.0, 0.0)
    return await sandbox.read(raw)


def plain(answer: Answer) -> dict[str, Any]:
    """Give the answer as the contract of ``mail parse`` has it."""
    reading = answer.reading
    told: dict[str, Any] = msgspec.to_builtins(reading)
    del told["bodies"]
    return {
        "outcome": told.pop("outcome"),
        "reason": told.pop("reason"),
        "seconds": answer.seconds,
        "peak_mib": answer.peak_mib,
        **told,
    }


async def _open(path: Path, raw: bytes, out: Output) -> int:
    """Read one archive; exit code 3 when it is kept aside."""
    async with Sandbox() as sandbox:
        answer = await sandbox.read(raw)
    if answer.reading.mail is not None and not answer.reading.documents:  # a mail without one is no archive
        answer.reading = set_aside("document_missing", "no archive", answer.reading.digest)
    told = plain(answer)
    shown = {name: told[name] for name in ("outcome", "reason", "detail", "seconds", "documents", "warnings")}
    out.answer({"file": str(path), **shown}, "\n".join(map(_card, answer.reading.documents)) or str(told["reason"]))
    return REFUSED if answer.reading.reason else 0


def _card(card: Document) -> str:
    patient = card.patient
    return "\n  ".join(
        (
            f"{card.label} ({card.code}), {card.created_at}",
            f"{card.title}",
            f"{patient.birth_name} {patient.first_given_name}, {patient.birth_date}",
            f"INS {patient.ins} ({patient.ins_check})",
            *(f"{author.name}, {author.institution}" for author in card.authors),
        )
    )


async def _build(args: argparse.Namespace, out: Output) -> None:
    kind = document_type(args.type)
    made_at = datetime.now().astimezone().replace(microsecond=0)
    came = read_up_to(args.pdf, limits.RAW)
    try:
        draft = Draft(
            pdf=came,
            patient=read_input(read_up_to(args.patient, limits.FIELD), Subject),
            author=read_input(read_up_to(args.author, limits.FIELD), Writer),
            type=kind,
            title=one_line(args.title, most=200) or kind.label,
            made_at=made_at,
        )
    except ValueError as error:
        raise UsageError("usage", str(error)) from None
    pdf = Converted(came, "off") if args.keep_pdf else await convert(came, made_at)
    made = make_xdm(msgspec.structs.replace(draft, pdf=pdf.pdf))
    args.out.write_bytes(made.archive)
    answer = {
        "file": str(args.out),
        "document": made.document_id,
        "bytes": len(made.archive),
        "pdf_a_1": is_pdf_a_1(pdf.pdf),
        "pdf_a": pdf.outcome,
        "missing": [] if has_class(kind.code) else ["classCode"],
    }
    out.answer(answer, f"{args.out}: {made.document_id}")


def _verify(args: argparse.Namespace, out: Output) -> int:
    """Judge a list of trusted domains; exit code 3 when it does not count."""
    authority = _load_authority(args.ca) if args.ca else None
    try:
        octets = read_up_to(args.file, limits.XML + 1)
        asked = {"issuer": args.issuer, "signer": args.signer}
        found = whitelist.verify(octets, at=_day(args.at), authority=authority, **asked)
    except SignatureError as error:
        refusal = {"valid": False, "reason": error.reason, "domains": 0, "generated_at": None}
        out.answer({"file": str(args.file), **refusal}, f"{args.file}: {error.reason}")
        return REFUSED
    answer = {
        "file": str(args.file),
        "valid": True,
        "reason": None,
        "domains": len(found.domains),
        "generated_at": found.generated_at.isoformat(),
        "entries": found.entries,
        "certificates": len(frozenset().union(*found.domains.values())),
        "signer": found.signer,
        "trust": found.trust,
    }
    out.answer(answer, f"{found.generated_at.isoformat()}: {len(found.domains)} ({found.signer}, {found.trust})")
    return 0


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("usage", "--at: YYYY-MM-DD or ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _load_authority(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_up_to(path, limits.FIELD))
    except ValueError:
        raise UsageError("usage", "--ca: not a certificate in PEM") from None
