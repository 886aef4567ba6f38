"""A professional corrects a document: the mail carries its next version. Read by independent readers alone."""

import base64
import hashlib
import io
import os
import zipfile
from xml.etree import ElementTree as ET

import msgspec
import pytest

from bridges.kit import attachments
from bridges.kit.client import client
from bridges.kit.outbox import Letter
from bridges.mail import composing
from bridges.mail.outgoing import Outgoing
from crypto import content
from crypto.codec import b64
from tests.fakes.mail_archives import AUTHOR, PDF
from tests.fakes.mail_bridge import JEAN, configuration, desk_of, mail, make_home, sent, take
from tests.fakes.pdfs import needs_ghostscript, pdf
from tests.integration.test_mail_carrying import mine

CDA = "{urn:hl7-org:v3}"
RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"


class Carried:
    """An archive of a letter, opened by zipfile and ElementTree."""

    def __init__(self, letter):
        files = {part.get_filename(): part.get_content() for part in letter.iter_attachments()}
        with zipfile.ZipFile(io.BytesIO(files["IHE_XDM.ZIP"])) as archive:
            assert archive.testzip() is None
            held = {name: archive.read(name) for name in archive.namelist()}
        self.cda = held["IHE_XDM/SUBSET01/DOC0001.XML"]
        self.root = ET.fromstring(self.cda)
        self.metadata = ET.fromstring(held["IHE_XDM/SUBSET01/METADATA.XML"])

    def at(self, path, name):
        found = self.root.find("/".join(CDA + step for step in path.split("/")))
        return found.get(name)

    def slot(self, name):
        slots = self.metadata.iter(f"{RIM}Slot")
        return next(one.find(f"{RIM}ValueList/{RIM}Value").text for one in slots if one.get("name") == name)

    @property
    def entry(self):
        return next(self.metadata.iter(f"{RIM}ExtrinsicObject")).get("id")

    def associations(self):
        return {
            one.get("associationType").rpartition(":")[2]: (one.get("sourceObject"), one.get("targetObject"))
            for one in self.metadata.iter(f"{RIM}Association")
        }


@pytest.fixture
async def practice(server, people, tmp_path):
    jean = await people(await (await people("Claire Martin")).invite())
    await make_home(server, tmp_path / "home")
    theirs = await make_home(server, tmp_path / "claire", "Claire Martin")
    async with client(theirs, server=None, ask=str, tell=print) as claire:
        number = claire.device.directory.certificate(claire.device.id).identifier
        writer = msgspec.json.decode(msgspec.json.encode(AUTHOR), type=dict) | {"id": number}
        table = "\n".join(f'{name} = "{value}"' for name, value in writer.items())
        top = f'team = ["{b64(claire.device.id)}"]\n[writer.{number}]\n{table}'
        async with desk_of(configuration(tmp_path, top=top)) as desk:
            desk.patients.learn(JEAN, account=jean.id)
            await take(desk, mail())
            yield desk, claire, (await mine(jean))[0]


async def say(claire, conversation, path, *, replaces=None, reply="open"):
    document = attachments.inspect(path, "prescription", 25 * 10**6)
    reference = await attachments.upload(claire.device, document)
    payload = content.words("Voici.", attachments=[reference], reply=reply, replaces=replaces)
    ready = await claire.messages.ready(conversation)
    likeness = claire.device.likeness("test", str(path))
    return (await claire.messages.post(ready, Letter(payload, (reference.id,)), likeness)).id


async def test_a_correction_is_the_next_version_of_its_document(practice, tmp_path):
    desk, claire, conversation = practice
    carried, earlier = [], None
    for number in range(3):
        path = tmp_path / f"ordonnance{number}.pdf"
        path.write_bytes(PDF + str(number).encode())
        earlier = await say(claire, conversation, path, replaces=earlier)
        await desk.pass_once()
        (letter,) = sent(desk)
        assert letter["Subject"].startswith("[Annule et remplace] XDM/1.0/DDM+" if number else "XDM/1.0/DDM+")
        carried.append(Carried(letter))
    first, second, third = carried
    assert [each.at("versionNumber", "value") for each in carried] == ["1", "2", "3"]
    assert {each.at("setId", "root") for each in carried} == {first.at("id", "root")}
    assert len({each.at("id", "root") for each in carried}) == 3
    assert second.at("relatedDocument", "typeCode") == "RPLC"
    assert second.at("relatedDocument/parentDocument/id", "root") == first.at("id", "root")
    assert third.at("relatedDocument/parentDocument/id", "root") == second.at("id", "root")
    assert "RPLC" not in first.associations()
    assert second.associations()["RPLC"] == (second.entry, first.entry)
    for each in carried:
        assert each.slot("hash") == hashlib.sha1(each.cda).hexdigest()
        assert each.slot("size") == str(len(each.cda))


async def test_who_expects_no_answer_says_so_in_the_mail(practice, tmp_path):
    desk, claire, conversation = practice
    path = tmp_path / "ordonnance.pdf"
    path.write_bytes(PDF)
    await say(claire, conversation, path, reply="none")
    await desk.pass_once()
    (letter,) = sent(desk)
    assert (letter["X-MSS-MES"], letter["X-MSS-NIL"]) == ("FIN", "PLI")
    assert letter["From"].addresses[0].display_name == "DR Paul LEROY CHU du Nord"


async def test_a_text_that_says_nothing_of_answers_leaves_in_the_mail_what_stands(practice, tmp_path):
    desk, claire, conversation = practice
    for number, reply in enumerate(["open", "keep", "none", "keep"]):
        path = tmp_path / f"lettre{number}.pdf"
        path.write_bytes(PDF + str(number).encode())
        await say(claire, conversation, path, reply=reply)
    await desk.pass_once()
    marks = [letter["X-MSS-MES"] for letter in sent(desk)]
    assert marks == [None, None, "FIN", "FIN"]


def pdfs(letter):
    """The PDF beside the archive of a letter, and the one inside."""
    files = {part.get_filename(): part.get_content() for part in letter.iter_attachments()}
    (beside,) = (octets for name, octets in files.items() if name.endswith(".pdf"))
    return beside, base64.b64decode(Carried(letter).root.find(f".//{CDA}nonXMLBody/{CDA}text").text)


@needs_ghostscript
async def test_a_pdf_leaves_as_pdf_a_1_and_a_repeat_is_the_same_mail(practice, tmp_path, monkeypatch):
    """The first try is lost between the conversion and the commit; the second one must be the same mail."""
    desk, claire, conversation = practice
    (tmp_path / "ordonnance.pdf").write_bytes(pdf("~Ordonnance", "Suite"))
    tried, add = [], Outgoing.add

    def adding(self, box, mail, **words):
        tried.append(mail.raw)
        if len(tried) == 1:
            raise OSError("the power is cut")
        add(self, box, mail, **words)

    monkeypatch.setattr(Outgoing, "add", adding)
    await say(claire, conversation, tmp_path / "ordonnance.pdf")
    await desk.pass_once()
    assert not sent(desk)
    await desk.pass_once()
    (letter,) = sent(desk)
    assert (len(tried), tried[0] == tried[1]) == (2, True)
    beside, inside = pdfs(letter)
    assert beside == inside
    assert b"pdfaid:part='1'" in beside
    assert desk.outgoing.pdf_counts("cabinet") == {"converted": 1}
    assert not list((tmp_path / "state/pdf-a").iterdir())


@needs_ghostscript
async def test_a_conversion_that_makes_the_mail_too_large_does_not_cost_the_document(practice, tmp_path, monkeypatch):
    desk, claire, conversation = practice
    came = pdf("~Ordonnance")
    (tmp_path / "ordonnance.pdf").write_bytes(came)
    monkeypatch.setattr(composing, "MAX_MAIL", 20_000)  # as it comes it is 1 KB, made PDF/A-1 it is 40 KB
    await say(claire, conversation, tmp_path / "ordonnance.pdf")
    await desk.pass_once()
    (letter,) = sent(desk)
    assert pdfs(letter) == (came, came)
    assert desk.outgoing.pdf_counts("cabinet") == {"grew": 1}


async def test_a_document_too_large_for_an_archive_does_not_stop_its_conversation(practice, tmp_path):
    desk, claire, conversation = practice
    path = tmp_path / "ordonnance.pdf"
    path.write_bytes(PDF + os.urandom(18 << 20))
    await say(claire, conversation, path)
    await desk.pass_once()
    (letter,) = sent(desk)
    assert not list(letter.iter_attachments())
    assert "trop volumineux" in letter.get_body().get_content()
