"""Partners of a practice that tell of appointments: over HTTP, HL7 v2, FHIR and mail, as their programs do."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bridges.agenda.listen.serving import opened
from bridges.agenda.listen.settings import load
from bridges.agenda.push.mllp import END, START
from bridges.mail.imip import Letter
from tests.fakes.certificates import authority

PAGE = "https://rdv.example/dr-lefevre"
SECRET = "0123456789abcdef0123456789abcdef"
RPPS = "10100050075"
DOORS = """
[webhook]
port = 0
[[webhook.partners]]
name = "lgc"
secret_files = ["secret"]
[[mllp]]
source = "hl7"
port = 0
networks = ["127.0.0.0/8"]
[fhir]
port = 0
certificate_file = "server-plain.pem"
key_file = "server-plain.key"
authority_file = "ca.pem"
base = "https://rdv.example/fhir"
[[fhir.callers]]
name = "sas"
common_name = "sas.example"
unit = "SAS"
[[fhir.professionals]]
rpps = "10100050075"
family = "THOMAS"
given = "Sebastien"
phone = "05 53 00 00 00"
[[fhir.professionals.places]]
key = "agen"
agenda = "agenda.toml"
structure = "1470004421"
lines = ["1 rue Mme DELMAS"]
city = "AGEN"
postal_code = "47000"
booking = "https://rdv.example/thomas"
specialties = ["SM54"]
"""


_MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=21)


def day(hours: int = 10, minutes: int = 0) -> datetime:
    """A time of a day three weeks from now, inside the opening hours; the same day for a test that goes past midnight."""
    return _MIDNIGHT + timedelta(hours=hours, minutes=minutes)


@dataclass
class Partners:
    """Everybody who may call at the doors of one practice."""

    folder: Path
    ports: dict[str, int]
    authority: Any
    tls: ssl.SSLContext | None = None
    _said: list[datetime] = field(default_factory=list)

    def _now(self) -> datetime:
        """Each message is said later than the one before."""
        last = self._said[-1] if self._said else datetime.min.replace(tzinfo=UTC)
        self._said.append(max(datetime.now(UTC).replace(microsecond=0), last + timedelta(seconds=1)))
        return self._said[-1]

    async def push(self, kind: str, start: datetime, *, reference: str = "A", minutes: int = 30, **more: Any) -> int:
        """Send a signed message, as a practice software does."""
        at = self._now()
        end = start + timedelta(minutes=minutes)
        when = {"reference": reference, "start": start.isoformat(), "end": end.isoformat()}
        told = {"event": os.urandom(6).hex(), "kind": kind, "occurred_at": at.isoformat(), "appointment": when, **more}
        body, stamp = json.dumps(told).encode(), str(int(datetime.now(UTC).timestamp()))
        sign = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
        headers = {"Pli-Timestamp": stamp, "Pli-Signature": f"v1={sign}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.ports['webhook']}/push/lgc"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status

    async def siu(self, trigger: str, start: datetime, *, reference: str = "F1", person: str = "77") -> str:
        """Send an HL7 v2 message; gives the acknowledgement code."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports["mllp hl7"])
        number, at = os.urandom(6).hex(), self._now()
        lines = [
            f"MSH|^~\\&|L|C|P|A|{at:%Y%m%d%H%M%S}+0000||SIU^{trigger}|{number}|P|2.5",
            f"SCH||{reference}|||||X||30|MIN|^^^{start:%Y%m%d%H%M%S}+0000",
            f"PID|1||{person}^^^C^PI||DUPONT^JEAN",
        ]
        writer.write(START + "".join(f"{line}\r" for line in lines).encode() + END)
        answer = await asyncio.wait_for(reader.readuntil(END), 30)
        writer.close()
        return answer.split(b"MSA|")[1][:2].decode()

    async def fhir(self, status: str, start: datetime, *, reference: str = "42", core: str = "1.1") -> int:
        """Send an Appointment by conditional update, as a regulation software does."""
        operator = {
            "1.1": "http://interopsante.org/fhir/StructureDefinition/FrAppointmentOperator",
            "2.0": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-appointment-operator",
        }
        actor = {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{RPPS}"}}
        resource = {
            "resourceType": "Appointment",
            "identifier": [{"system": "urn:oid:1.2.250.1.999", "value": reference}],
            "extension": [{"url": operator[core], "valueReference": actor}],
            "status": status,
            "start": start.isoformat(),
            "end": (start + timedelta(minutes=30)).isoformat(),
            "participant": [{"actor": actor, "status": "accepted"}],
        }
        certificate, key = self.authority.issue("sas.example", unit="SAS")
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.load_cert_chain(certificate, key)
        url = f"https://127.0.0.1:{self.ports['fhir']}/fhir/Appointment"
        query = {"identifier": f"urn:oid:1.2.250.1.999|{reference}"}
        headers = {"Content-Type": "application/fhir+json"}
        connector = aiohttp.TCPConnector(ssl=context)
        body = json.dumps(resource)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.put(url, params=query, data=body, headers=headers) as answer,
        ):
            return answer.status


@asynccontextmanager
async def calling(folder: Path) -> AsyncIterator[Partners]:
    """Open the doors of the practice whose settings lie in a folder."""
    ca = authority(folder)
    ca.issue("server", host="127.0.0.1")
    (folder / "doors.toml").write_text(DOORS)
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o600)
    async with opened(load(folder / "doors.toml")) as doors:
        yield Partners(folder, doors.ports, ca)


def mails(spool: Path, sender: str, recipient: str, calendar: bytes, name: str) -> None:
    """Hand a calendar over as the mail bridge does."""
    letter = Letter(
        sender=sender,
        recipient=recipient,
        method="",
        calendar=base64.b64encode(calendar).decode(),
        message_id=f"<{name}@x>",
        verified=True,
    )
    (spool / "in").mkdir(parents=True, exist_ok=True)
    part = spool / "in" / f"{name}.part"
    part.write_text(json.dumps({name: getattr(letter, name) for name in letter.__struct_fields__}))
    part.rename(part.with_suffix(".json"))
