"""``pli-bridge agenda listen``: one file of settings opens every door, and the real program stands behind it."""

import asyncio
import hmac
import json
import signal
import ssl
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridges.agenda.adapters import open_agenda
from bridges.agenda.checks import CHECKS
from bridges.agenda.config import load as load_agenda
from bridges.agenda.conformance import Agenda, examine
from bridges.agenda.fhir.checking import Subject, check
from bridges.agenda.fhir.gate import client_context
from bridges.agenda.listen.serving import opened
from bridges.agenda.listen.settings import load
from bridges.agenda.outgoing import Origin
from bridges.agenda.provider import Ability, Window
from bridges.agenda.push.mllp import END, START
from bridges.kit.errors import UsageError
from tests.fakes.certificates import authority
from tests.fakes.partners import DOORS as DOORS_ALONE
from tests.fakes.partners import SECRET

AGENDA = """
name = "dr-thomas"
zone = "Europe/Paris"
[provider]
kind = "ics"
urls = ["{feed}"]
inside = true
plain = true
[[openings]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = 09:00:00
to = 12:00:00
minutes = 20
"""
READER = """
kind = "link"
availability_url = "https://partners.example"
availability_path = "a.json"
partner_agreement = "Contrat partenaire du 3 mars 2026"
"""
PUBLISH = """
[publish]
folder = "public"
base = "https://rdv.example/smart"
[[publish.sites]]
key = "agen"
agenda = "agenda.toml"
name = "Cabinet"
phone = "+33553000000"
page = "https://rdv.example/thomas"
lines = ["1 rue Mme DELMAS"]
city = "AGEN"
postal_code = "47000"
"""
DOORS = f"{DOORS_ALONE}{PUBLISH}"


@asynccontextmanager
async def practice(folder, doors=DOORS):
    """The folder of a practice whose calendar is empty."""

    async def feed(_):
        return web.Response(body=b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n", content_type="text/calendar")

    app = web.Application()
    app.router.add_get("/feed.ics", feed)
    ca = authority(folder)
    ca.issue("server", host="127.0.0.1")
    async with TestServer(app) as server:
        (folder / "agenda.toml").write_text(AGENDA.format(feed=server.make_url("/feed.ics")))
        (folder / "doors.toml").write_text(doors)
        (folder / "secret").write_text(SECRET)
        (folder / "secret").chmod(0o600)
        yield ca


async def push(port, **more):
    at = datetime.now(UTC)
    told = {
        "event": "e1",
        "kind": "booked",
        "occurred_at": at.isoformat(),
        "appointment": {"reference": "A", "start": "2026-12-01T09:00:00+01:00", "end": "2026-12-01T09:20:00+01:00"},
        **more,
    }
    body, stamp = json.dumps(told).encode(), str(int(at.timestamp()))
    sign = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
    headers = {"Pli-Timestamp": stamp, "Pli-Signature": f"v1={sign}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/push/lgc"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def hl7(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(START + b"MSH|^~\\&|L|C|P|A|20261122||SIU^S12|M1|P|2.5\rSCH||F1|||||X||30|MIN|^^^202612010900\r" + END)
    answer = await asyncio.wait_for(reader.readuntil(END), 30)
    writer.close()
    return b"MSA|AA|M1" in answer


async def test_every_door_opens_and_what_comes_is_an_agenda(tmp_path):
    async with practice(tmp_path) as ca, opened(load(tmp_path / "doors.toml")) as doors:
        assert set(doors.ports) == {"webhook", "mllp hl7", "fhir"}
        assert await push(doors.ports["webhook"]) == 200
        assert await hl7(doors.ports["mllp hl7"])
        report = await sas(ca, tmp_path, doors.ports["fhir"])
        assert [each for each in report.details if each.outcome == "failed"] == []
        assert report.count("passed") >= 40
        async with asyncio.timeout(30):
            while not (tmp_path / "public/$bulk-publish").exists():
                await asyncio.sleep(0.05)
        settings = tmp_path / "push.toml"
        settings.write_text('name = "lgc"\nzone = "Europe/Paris"\n[provider]\nkind = "push"\nsource = "lgc"\n')
        async with open_agenda(load_agenda(settings)) as agenda:
            assert agenda.capabilities().abilities == {Ability.CHANGES}
            assert [each.kind for each in (await agenda.changes()).changes] == ["seen"]


async def sas(ca, folder, port):
    certificate, key = ca.issue("sas.example", unit="SAS")
    both = folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    subject = Subject(
        origin=Origin(base=f"https://127.0.0.1:{port}/fhir", inside=True),
        start=start,
        end=start + timedelta(days=3),
        professionals=["810100050075"],
        tls=client_context(ca.certificate, both),
        bare=ssl.create_default_context(cafile=ca.certificate),
    )
    return await check(subject)


async def knock(port, sent):
    """Send what is no HTTP; gives the first line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    line = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    return line


async def test_the_program_listens_until_it_is_asked_to_end(tmp_path):
    async with practice(tmp_path):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridges", "agenda", "listen", "--config", tmp_path / "doors.toml", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert await push(told["listening"]["webhook"]) == 200
        assert await push(told["listening"]["webhook"], kind="eaten") == 422
        for sent in (b"POST /push/lgc HTTP/1.1\r\nPli-Signature: " + b"v1=0," * 4000, b"\x16\x03 / HTTP\r\n"):
            assert b" 400 " in await knock(told["listening"]["webhook"], sent + b"\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        _, printed = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        assert printed == b""  # nothing of what strangers send
        asked = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "bridges",
                "agenda",
                "listen",
                "--config",
                tmp_path / "doors.toml",
                "--troubles",
                "--json",
            ),
            stdout=asyncio.subprocess.PIPE,
        )
        (trouble,) = json.loads((await asked.communicate())[0])["troubles"]
    assert (trouble["source"], trouble["reason"], trouble["times"]) == ("lgc", "malformed", 1)


@pytest.mark.parametrize(
    ("find", "instead"),
    [
        ("[webhook]\nport = 0", '[webhook]\nport = 0\nhost = "0.0.0.0"'),
        ('networks = ["127.0.0.0/8"]', ""),
        ('networks = ["127.0.0.0/8"]', 'networks = ["the office"]'),
        ('authority_file = "ca.pem"\n', ""),
        ('key_file = "server-plain.key"', 'key_file = "ca.pem"'),
        ('secret_files = ["secret"]', ""),
        ('secret_files = ["secret"]', 'public_keys = ["!!"]'),
        ('rpps = "10100050075"', 'rpps = "15"'),
        ('structure = "1470004421"', 'structure = "470004421"'),
        ("[webhook]", 'zone = "Europe/Atlantis"\n[webhook]'),
        ("[webhook]", "unknown = 1\n[webhook]"),
        ("[webhook]", "[webhook"),
    ],
)
async def test_settings_that_are_unsafe_or_wrong_open_nothing(tmp_path, find, instead):
    assert find in DOORS
    async with practice(tmp_path, DOORS.replace(find, instead, 1)):
        with pytest.raises(UsageError):
            await begin(tmp_path)


async def begin(folder):
    async with opened(load(folder / "doors.toml")):
        pass


async def test_a_secret_that_others_may_read_opens_nothing(tmp_path):
    async with practice(tmp_path):
        (tmp_path / "secret").chmod(0o644)
        with pytest.raises(UsageError, match="only its owner"):
            await begin(tmp_path)


@pytest.mark.parametrize(
    ("provider", "adapter", "abilities"),
    [
        ('kind = "link"', "link", {"link"}),
        ('kind = "link"\ninbox = "inbox.db"\nsource = "doctolib"', "link", {"link", "changes"}),
        (
            READER,
            "link",
            {"link", "find"},
        ),
        (
            'kind = "fhir"\nurl = "https://gap.example/fhir"\npractitioner = "10100050075"\nsystem = "urn:oid:1.2"',
            "fhir",
            {"find", "hold", "book", "reschedule", "cancel", "changes", "link"},
        ),
        (
            'kind = "clicrdv"\ngroup = 4\ncalendar = 15\nintervention = 21\nminutes = 20\nuser = "a"\npassword_file = "secret"\napikey_file = "secret"',
            "clicrdv",
            {"find", "hold", "book", "reschedule", "cancel", "changes", "link"},
        ),
        (
            'kind = "imip"\nspool = "mail"\naddress = "cabinet@exemple.fr"',
            "imip",
            {"book", "reschedule", "cancel", "changes"},
        ),
    ],
)
async def test_an_agenda_of_a_partner_opens_by_its_settings(tmp_path, provider, adapter, abilities):
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    settings = tmp_path / "agenda.toml"
    settings.write_text(f'name = "x"\nzone = "Europe/Paris"\npage = "https://rdv.example/"\n[provider]\n{provider}\n')
    async with open_agenda(load_agenda(settings)) as agenda:
        found = agenda.capabilities()
    assert (found.adapter, {str(each) for each in found.abilities}) == (adapter, abilities)


@pytest.mark.parametrize(
    ("provider", "passed"),
    [
        ('kind = "link"', 3),
        ('kind = "link"\ninbox = "inbox.db"\nsource = "doctolib"', 4),
        ('kind = "imip"\nspool = "mail"\naddress = "cabinet@exemple.fr"', 3),
        ('kind = "push"\nsource = "lgc"', 3),
    ],
)
async def test_agendas_that_can_a_part_keep_the_contract_for_it(tmp_path, provider, passed):
    settings = tmp_path / "agenda.toml"
    settings.write_text(f'name = "x"\nzone = "Europe/Paris"\npage = "https://rdv.example/"\n[provider]\n{provider}\n')
    now = datetime.now(UTC)
    window = Window(start=now, end=now + timedelta(days=1))
    async with open_agenda(load_agenda(settings)) as agenda:
        report = await examine(Agenda(provider=agenda, window=window, now=lambda: now), CHECKS)
    assert [each for each in report.details if each.outcome == "failed"] == []
    assert report.count("passed") >= passed


@pytest.mark.parametrize(
    "provider",
    [
        'kind = "link"\navailability_url = "https://partners.example"\navailability_path = "a.json"',
        'kind = "fhir"\nurl = "http://gap.example"\npractitioner = "10100050075"\nsystem = "urn:oid:1.2"',
        'kind = "fhir"\nurl = "https://gap.example"\npractitioner = "15"\nsystem = "urn:oid:1.2"',
        'kind = "fhir"\nurl = "https://gap.example"\npractitioner = "10100050075"\nsystem = "urn:oid:1.2"\ncore = "9"',
        'kind = "imip"\nspool = "mail"\naddress = "nobody"',
        'kind = "push"',
        'kind = "link"\npassword = "x"',
    ],
)
async def test_settings_of_a_partner_that_are_wrong_open_nothing(tmp_path, provider):
    settings = tmp_path / "agenda.toml"
    settings.write_text(f'name = "x"\nzone = "Europe/Paris"\npage = "https://rdv.example/"\n[provider]\n{provider}\n')
    with pytest.raises(UsageError):
        await enter(settings)


async def enter(settings):
    async with open_agenda(load_agenda(settings)):
        pass
