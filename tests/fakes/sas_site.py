"""A practice behind our FHIR endpoint, over TLS that asks for certificates."""

import json
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import aiohttp
from aiohttp.test_utils import TestServer

from bridges.agenda.fhir.checking import Subject
from bridges.agenda.fhir.gate import Caller, CertificateGate, server_context
from bridges.agenda.fhir.practice import Place, Professional
from bridges.agenda.fhir.server import Endpoint
from bridges.agenda.outgoing import Origin
from bridges.agenda.provider import Mode
from bridges.agenda.push.inbox import Inbox
from tests.fakes.certificates import authority
from tests.fakes.fixed_agenda import FixedAgenda
from tools.services import free_port

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
START = datetime(2026, 12, 1, 7, tzinfo=UTC)
END = START + timedelta(days=2)
THOMAS, MARCEL = "810100050075", "810002673899"


def place(key, agenda, **more):
    told = {
        "structure": "1470004421",
        "lines": ["1 rue Mme DELMAS"],
        "city": "AGEN",
        "postal_code": "47000",
        "zone": "Europe/Paris",
    }
    return Place(
        **{
            **told,
            "key": key,
            "agenda": agenda,
            "booking": f"https://rdv.example/{key}",
            "specialties": ["SM54"],
            **more,
        }
    )


def practice():
    hours = [START + timedelta(hours=each) for each in (1, 2, 26, 40)]
    one = place("agen", FixedAgenda(*hours, modes=(Mode.PRACTICE, Mode.REMOTE)))
    two = place("nerac", FixedAgenda(START + timedelta(hours=3)), structure="1470004956", audiences=("PUBLIC", "PRO"))
    other = place(
        "domicile", FixedAgenda(START + timedelta(hours=4), modes=(Mode.HOME,)), walk_in=True, audiences=("SNP",)
    )
    return [
        Professional(identifier=THOMAS, family="THOMAS", given="Sébastien", places=[one, two], phone="+33553000000"),
        Professional(identifier=MARCEL, family="MARCEL", given="Guillaume", places=[other]),
    ]


class Site:
    """Our endpoint behind TLS that asks for certificates."""

    def __init__(self, ca, port, professionals, inbox):
        self.ca, self.base, self.professionals, self.inbox = ca, f"https://127.0.0.1:{port}/fhir", professionals, inbox

    def subject(self, **more):
        told = {
            "origin": Origin(base=self.base, inside=True),
            "start": START,
            "end": END,
            "professionals": [THOMAS, MARCEL],
            "tls": self.ca.client_context("sas.example", unit="SAS"),
            "bare": ssl.create_default_context(cafile=self.ca.certificate),
            "other_name": self.ca.client_context("other.example", unit="SAS"),
            "other_unit": self.ca.client_context("sas.example", unit="OTHER"),
        }
        return Subject(**{**told, **more})

    async def ask(self, method, path, *, name="sas.example", unit="SAS", json_body=None, **headers):
        raw = json.dumps(json_body).encode() if isinstance(json_body, dict) else json_body
        connector = aiohttp.TCPConnector(ssl=self.ca.client_context(name, unit=unit))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, self.base + path, data=raw, headers=headers) as answer,
        ):
            return answer.status, answer.headers, json.loads(await answer.read())


@asynccontextmanager
async def serving(folder, professionals=None, *, gate=None, verify=ssl.CERT_REQUIRED, own_base=False):
    ca = authority(folder)
    professionals = professionals or practice()
    inbox = Inbox(folder / "inbox.sqlite3")
    callers = {
        "sas": Caller(common_name="sas.example", unit="SAS"),
        "gap": Caller(common_name="gap.example", unit="GAP"),
    }
    port = free_port()
    endpoint = Endpoint(
        base=f"https://127.0.0.1:{port}/fhir" if own_base else "https://rdv.example/fhir",
        professionals=professionals,
        inbox=inbox,
        gate=SimpleNamespace(admit=gate) if gate else CertificateGate(callers),
        clock=lambda: NOW,
    )
    server = TestServer(endpoint.app(), scheme="https", port=port)
    context = server_context(*ca.issue("server", host="127.0.0.1"), ca.certificate)
    context.verify_mode = verify
    await server.start_server(ssl=context)
    try:
        yield Site(ca, server.port, professionals, inbox)
    finally:
        await server.close()
        inbox.close()
