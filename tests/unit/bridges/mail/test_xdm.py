"""IHE_XDM archives and CDA documents: made, read, and refused."""

import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bridges.kit.errors import UsageError
from bridges.mail import codes
from bridges.mail.cda import moment, read_document
from bridges.mail.inputs import Draft, Subject, Writer, document_type, read_input
from bridges.mail.ins import check, key_of
from bridges.mail.metadata import read_metadata
from bridges.mail.reading import read
from bridges.mail.reasons import QuarantineError
from bridges.mail.saying import files_of
from bridges.mail.tree import parse
from bridges.mail.xdm import open_xdm
from bridges.mail.xdm_making import make_xdm

SAMPLE = Path(__file__).resolve().parents[4].parent / "shared/samples/cda/DRIMbox_DOC00002_CDA-N1_MIT.xml"
NIR = "1.2.250.1.213.1.4.8"
PDF = b"%PDF-1.4\n<x:xmpmeta><pdfaid:part>1</pdfaid:part></x:xmpmeta>\n%%EOF\n"
PATIENT = Subject(
    ins="279035121518989",
    birth_name="O'HARA & <FILS>",
    given_names="Zoé Marie",
    birth_date="1979-03-28",
    sex="F",
    birth_place="51215",
)
AUTHOR = Writer(
    id="99700367909",
    title="DR",
    family_name="MARTIN^~",
    given_name="Claire",
    specialty="G15_10/SM26",
    institution="Cabinet | A & B",
    institution_id="499700367909006",
    facility="SA07",
)
MADE_AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def draft(**changes) -> Draft:
    made = Draft(
        pdf=PDF, patient=PATIENT, author=AUTHOR, type=document_type("11488-4"), title="CR <1>", made_at=MADE_AT
    )
    return msgspec.structs.replace(made, **changes)


def repacked(archive: bytes, **changes) -> bytes:
    """The archive with some files changed (``METADATA``, ``DOC0001``) or, with None, left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            change = changes.get(Path(entry.filename).stem, lambda octets: octets)
            if change is not None:
                new.writestr(entry.filename, change(old.read(entry)))
    return out.getvalue()


def reason(octets: bytes) -> str:
    with pytest.raises(QuarantineError) as refused:
        open_xdm(octets, "1")
    return refused.value.reason


def test_what_is_made_is_read_back():
    made = make_xdm(draft())
    opened = open_xdm(made.archive, "2")
    (card,) = opened.documents
    assert opened.warnings == []
    assert opened.pdfs == {card.pdf_path: PDF}
    assert (card.id, card.code, card.label, card.title) == (
        made.document_id,
        "11488-4",
        "CR ou fiche de consultation ou de visite",
        "CR <1>",
    )
    assert card.created_at == "2026-11-22T08:30:00+00:00"
    assert (card.missing, card.warnings, card.level, card.pdf_a_1) == ([], [], 1, True)
    assert card.qualified
    patient = card.patient
    assert (patient.ins, patient.ins_oid, patient.birth_name) == (PATIENT.ins, NIR, "O'HARA & <FILS>")
    assert (patient.given_names, patient.first_given_name, patient.birth_date) == ("Zoé Marie", "Zoé", "1979-03-28")
    (author,) = card.authors
    assert (author.id, author.name, author.institution) == ("899700367909", "DR Claire MARTIN^~", "Cabinet | A & B")


def test_the_metadata_says_what_the_document_is():
    made = make_xdm(draft())
    with zipfile.ZipFile(io.BytesIO(made.archive)) as archive:
        assert archive.namelist()[:2] == ["INDEX.HTM", "README.TXT"]
        assert re.search(
            r"Application : .*Pli.*, version \d+\.\d+\.\d+, edite par ", archive.read("README.TXT").decode()
        )
        document = archive.read("IHE_XDM/SUBSET01/DOC0001.XML")
        octets = archive.read("IHE_XDM/SUBSET01/METADATA.XML")
    submission = read_metadata(octets)
    (entry,) = submission.entries
    assert (entry.uri, entry.size) == ("DOC0001.XML", len(document))
    assert entry.sha1 == hashlib.sha1(document).hexdigest()
    assert (entry.type_code, entry.class_code, entry.format_code) == ("11488-4", "10", "urn:ihe:iti:xds-sd:pdf:2008")
    assert entry.patient_id == submission.patient_id == f"{PATIENT.ins}^^^&{NIR}&ISO^NH"
    assert entry.unique_id == made.document_id != submission.unique_id
    assert r"899700367909^MARTIN\S\\R\^Claire" in octets.decode()
    assert r"Cabinet \F\ A \T\ B^^^^^&amp;1.2.250.1.71.4.2.2&amp;ISO^IDNST" in octets.decode()


def test_the_same_draft_gives_the_same_bytes():
    assert make_xdm(draft()) == make_xdm(draft())
    assert make_xdm(draft()).document_id != make_xdm(draft(title="other")).document_id


def test_a_document_that_replaces_another_says_which():
    (card,) = open_xdm(make_xdm(draft(replaces="1.2.3^7")).archive, "1").documents
    assert card.replaces == ["1.2.3^7"]


def test_a_mail_with_an_archive_carries_its_document():
    archive = make_xdm(draft()).archive
    raw = b"From: a@x.fr\r\nContent-Type: multipart/mixed; boundary=Z\r\n\r\n--Z\r\n\r\nvoici\r\n--Z\r\n"
    raw += (
        b"Content-Type: application/zip; name=IHE_XDM.ZIP\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        + archive
        + b"\r\n--Z--"
    )
    reading = read(raw, bodies=True)
    (card,) = reading.documents
    assert card.path == "2/IHE_XDM/SUBSET01/DOC0001.XML"
    assert reading.bodies[card.pdf_path] == PDF


def test_an_archive_that_holds_a_pdf_without_card_is_passed_on():
    """Its document travels as PDF; the other file is in the archive alone."""
    added = {"METADATA": lambda octets: re.sub(rb"<(\S*ExtrinsicObject) .*</\1>", _twice, octets, flags=re.DOTALL)}
    archive = io.BytesIO(repacked(make_xdm(draft()).archive, **added))
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("IHE_XDM/SUBSET01/IMAGE.PDF", PDF + b"other")
    for octets, names in ((make_xdm(draft()).archive, ["pdf"]), (archive.getvalue(), ["pdf", "ZIP"])):
        head = b"From: a@x.fr\r\nContent-Type: application/zip; name=IHE_XDM.ZIP\r\nContent-Transfer-Encoding: binary"
        files, _ = files_of(read(head + b"\r\n\r\n" + octets, bodies=True))
        assert [each.name.rpartition(".")[2] for each in files] == names


def _twice(found: re.Match[bytes]) -> bytes:
    return found[0] + found[0].replace(b"DOC0001.XML", b"IMAGE.PDF").replace(b"text/xml", b"application/pdf")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("../../x", "archive_unsafe"),
        ("..\\..\\x", "archive_unsafe"),
        ("\\x", "archive_unsafe"),
        ("/etc/passwd", "archive_unsafe"),
        ("", "archive_unsafe"),
        ("NONE.XML", "document_missing"),
    ],
)
def test_an_entry_that_points_elsewhere(uri, expected):
    changed = repacked(make_xdm(draft()).archive, METADATA=lambda octets: octets.replace(b"DOC0001.XML", uri.encode()))
    assert reason(changed) == expected


def test_a_missing_file_or_a_broken_one_keeps_the_archive_aside():
    archive = make_xdm(draft()).archive
    assert reason(repacked(archive, METADATA=None)) == "document_missing"
    assert reason(repacked(archive, DOC0001=None)) == "document_missing"
    assert reason(repacked(archive, DOC0001=lambda octets: octets[:500])) == "xml_broken"
    assert reason(repacked(archive, DOC0001=lambda _: b"<html/>")) == "document_broken"
    assert (
        reason(repacked(archive, METADATA=lambda octets: b"<!DOCTYPE a>" + octets.partition(b"\n")[2])) == "xml_doctype"
    )


@pytest.mark.parametrize(
    ("old", "new", "warnings"),
    [
        (b"279035121518989", b"276035121518992", {"hash_differs", "patient_differs"}),
        (b"11488-4", b"18748-4", {"hash_differs", "type_differs"}),
        (b"Claire", b"Claires", {"hash_differs", "size_differs"}),
    ],
)
def test_what_does_not_fit_together_is_told(old, new, warnings):
    changed = repacked(make_xdm(draft()).archive, DOC0001=lambda octets: octets.replace(old, new))
    assert warnings <= set(open_xdm(changed, "1").warnings)


def test_other_folders_other_cases_and_undeclared_prefixes_are_read():
    with zipfile.ZipFile(io.BytesIO(make_xdm(draft()).archive)) as old:
        metadata, document = (old.read(f"IHE_XDM/SUBSET01/{name}") for name in ("METADATA.XML", "DOC0001.XML"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        new.writestr("Ihe_Xdm/SS000001/metadata.xml", metadata.replace(b"rim:", b"ns3:").replace(b"xmlns:ns3", b"x"))
        new.writestr("Ihe_Xdm/SS000001/doc0001.xml", document)
    assert len(open_xdm(out.getvalue(), "1").documents) == 1


@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared samples are not beside this repository")
def test_a_real_document_that_breaks_the_rules_is_read_and_says_so():
    card, pdf = read_document(SAMPLE.read_bytes(), "1")
    assert (card.code, card.label) == ("18748-4", "CR d'imagerie médicale")
    assert card.patient.birth_name == "PAT-TROIS"
    assert card.authors[0].id == "899700367909"
    assert card.created_at == "2019-09-24T14:02:23+02:00"
    assert card.missing == ["setId", "versionNumber"]
    assert "ins_of_a_test" in card.warnings
    assert len(pdf) == card.pdf_bytes == 106192


def test_a_level_3_document_is_read_by_its_header():
    body = "<component><structuredBody><component><section><text><script>x</script></text></section></component></structuredBody></component>"
    card, pdf = read_document(f'<ClinicalDocument><code code="11502-2"/>{body}</ClinicalDocument>'.encode(), "1")
    assert (card.level, card.label, pdf) == (3, "CR d'examens biologiques", b"")
    assert not card.qualified


def test_only_a_replacement_replaces():
    related = '<relatedDocument typeCode="{}"><parentDocument><id root="1.2" extension="{}"/></parentDocument></relatedDocument>'
    document = f"<ClinicalDocument>{related.format('APND', 'a')}{related.format('RPLC', 'b')}</ClinicalDocument>"
    assert read_document(document.encode(), "1")[0].replaces == ["1.2^b"]


def test_an_empty_document_says_all_that_is_missing():
    card, _ = read_document(b"<ClinicalDocument/>", "1")
    assert {"id", "code", "recordTarget/patientRole/id", "legalAuthenticator/assignedEntity/id"} <= set(card.missing)
    assert card.warnings == ["ins_missing"]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "xml_doctype"),
        (b"<a>&x;</a>", "xml_broken"),
        (b"<a>" * 65 + b"</a>" * 65, "xml_too_large"),
        (b"<a>" + b"<b/>" * 50_000 + b"</a>", "xml_too_large"),
        (b"<a " + b" ".join(b"x%d='1'" % n for n in range(65)) + b"/>", "xml_too_large"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "xml_broken"),
        (b"", "xml_broken"),
    ],
)
def test_hostile_xml(octets, expected):
    with pytest.raises(QuarantineError) as refused:
        parse(octets)
    assert refused.value.reason == expected


@pytest.mark.parametrize(
    ("number", "oid", "verdict"),
    [
        ("279035121518989", NIR, "good"),
        ("279035121518988", NIR, "bad_key"),
        ("27903512151898", NIR, "bad_form"),
        ("", NIR, "missing"),
        ("248039263001064", NIR[:-1] + "10", "not_real"),
        ("162018885045327", NIR, "good"),
    ],
)
def test_the_health_identity(number, oid, verdict):
    assert check(number, oid, production=True) == verdict


def test_corsica_counts():
    assert key_of("1800120001123") != key_of("1800119001123") == key_of("180012A001123")
    assert key_of("180012B001123") == key_of("1800118001123")


@pytest.mark.parametrize(
    ("stamp", "iso"),
    [
        ("2021", "2021"),
        ("202104", "2021-04"),
        ("20210409", "2021-04-09"),
        ("20219999", ""),
        ("x", ""),
        ("20240101123", ""),
        ("20190924140223+0200", "2019-09-24T14:02:23+02:00"),
        ("201909241402", "2019-09-24T14:02:00"),
    ],
)
def test_time_stamps(stamp, iso):
    assert moment(stamp) == iso


@pytest.mark.parametrize(
    "change",
    [
        {"ins": "279035121518988"},
        {"birth_date": "28/03/1979"},
        {"birth_date": "1979-02-30"},
        {"sex": "X"},
        {"birth_name": "A\r\nB"},
        {"born": "x"},
        {"ins_oid": "1.2.3"},
    ],
)
def test_a_wrong_trait_is_refused_by_name(change):
    given = msgspec.json.encode({**msgspec.to_builtins(PATIENT), **change})
    with pytest.raises(UsageError) as refused:
        read_input(given, Subject)
    assert refused.value.code == "usage"
    assert next(iter(change)).split("_")[0] in refused.value.detail


def test_the_value_sets_are_there():
    assert codes.table("types")["PRESC-BIO"].system == "1.2.250.1.213.1.1.4.12"
    assert codes.table("facilities")["SA07"].label
    with pytest.raises(UsageError):
        document_type("nothing")


@pytest.mark.parametrize(
    ("made", "change"),
    [
        (PATIENT, {"birth_name": "  "}),
        (PATIENT, {"given_names": " "}),
        (PATIENT, {"birth_name": "A\ufffe"}),
        (AUTHOR, {"family_name": ""}),
        (AUTHOR, {"given_name": " "}),
        (AUTHOR, {"institution": ""}),
    ],
)
def test_a_document_names_its_people_in_signs_that_xml_has(made, change):
    with pytest.raises(ValueError, match=r"empty|control character"):
        msgspec.structs.replace(made, **change)
