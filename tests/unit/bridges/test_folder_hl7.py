"""ER7 messages, sound and hostile."""

import base64

import pytest
from hypothesis import given, strategies

from bridges.folder import hl7
from bridges.folder.hl7 import Hl7Error

INS = "279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS"
CDA = "<ClinicalDocument>é</ClinicalDocument>"


def message(
    *more: str, kind="MDM^T02^MDM_T02", charset="UNICODE UTF-8", signs="^~\\&", encoding="utf-8", end="\r"
) -> bytes:
    content = base64.b64encode(CDA.encode()).decode()
    segments = [
        f"MSH|{signs}|RIS|CLINIQUE|PLI|CABINET|202611220930||{kind}|42|P|2.6|||||FRA|{charset}",
        f"PID|||1234^^^AUT&1.2.3&ISO^PI~{INS}||DUPONT^JEAN",
        f"OBX|1|ED|18748-4^CR^LN||^text^XML^Base64^{content}||||||F",
        *more,
    ]
    return (end.join(segments) + end).replace("~" if "~" not in signs else "\0", signs[1]).encode(encoding)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_a_message_gives_patient_and_document(end):
    text = base64.b64encode(b"Bonjour").decode()
    beside = f"OBX|2|ED|CORPSMAIL_PATIENT^Corps^MetaDMPMSS||^text^^Base64^{text}||||||F"
    hidden = f"OBX|3|ED|CORPSMAIL_PS^Corps^MetaDMPMSS||^text^^Base64^{base64.b64encode(b'for colleagues').decode()}"
    read, documents = hl7.read(b"\x0b" + message(beside, hidden, end=end) + b"\x1c\r")
    assert documents == [CDA.encode()]
    assert (read.type, read.control, read.sender) == ("MDM^T02", "42", "RIS CLINIQUE")
    assert (read.ins, read.ins_oid) == ("279035121518989", "1.2.250.1.213.1.4.8")
    assert (read.text, read.replaces) == ("Bonjour", False)


@pytest.mark.parametrize(("charset", "encoding"), [("8859/15", "iso8859-15"), ("8859/1", "latin-1"), ("", "utf-8")])
def test_escaped_text_of_every_character_set(charset, encoding):
    raw = message(
        "OBX|2|ED|X||^text^XML^A^<a b=\\X22\\&\\T\\ \\E\\ \\F\\ \\S\\ \\R\\é>", charset=charset, encoding=encoding
    )
    assert hl7.read(raw)[1][1].decode() == '<a b="&& \\ | ^ ~é>'


def test_other_separators_count():
    raw = message().decode().replace("|", "!").replace("^~\\&", "*#\\&").replace("^", "*").encode()
    assert hl7.read(raw.replace(b"~", b"#"))[0].ins == "279035121518989"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "hl7_broken"),
        (b"MSH|", "hl7_broken"),
        (b"MSH|||||||||||||||||||||||", "hl7_broken"),
        (b"MSH|aaaa|||||||MDM^T02|||||||||||", "hl7_broken"),
        (message(kind="ADT^A01"), "hl7_type"),
        (message(kind="MDM^T11"), "hl7_deletion"),
        (message(charset="KLINGON"), "hl7_charset"),
        (message("OBX|2|ED|X||^text^XML^Base64^é", encoding="latin-1"), "hl7_charset"),
        (message("OBX|2|ED|X||^text^XML^Base64^%%%"), "hl7_broken"),
        (message("OBX|2|ED|X||^text^XML^Base64^é"), "hl7_broken"),
        (message("OBX|2|ED|X||^text^XML^A^\\Q\\"), "hl7_broken"),
        (message("OBX|2|ED|X||^text^XML^A^\\XFF\\"), "hl7_broken"),
        (message("OBX|2|ED|X||^text^XML^A^half \\ escape"), "hl7_broken"),
        (message("OBX|2|ED|X||short"), "hl7_broken"),
        (message("OBX|2|ED|X||^t^X^Base64^QQ==||||||D"), "hl7_deletion"),
        (message("no segment"), "hl7_broken"),
        (message(*["NTE|x"] * 2001), "hl7_too_large"),
        (message(*["OBX|2|ED|X||^t^X^Base64^QQ=="] * 21), "hl7_too_large"),
        (message("OBX|2|CWE|INVISIBLE_PATIENT^x||Y^^e"), "hidden_from_patient"),
        (message("OBX|2|CWE|DESTMSSANTEPAT^x||N^^e"), "not_for_patient"),
        (message().replace(b"OBX|1|ED", b"OBX|1|ST"), "document_missing"),
    ],
)
def test_what_is_not_carried_has_a_reason(raw, reason):
    with pytest.raises(Hl7Error) as refused:
        hl7.read(raw)
    assert refused.value.reason == reason


@given(strategies.binary(max_size=300), strategies.integers(0, 400))
def test_any_bytes_end_with_a_message_or_a_reason(noise, at):
    whole = message()
    for raw in (noise, b"MSH|^~\\&|" + noise, whole[:at] + noise + whole[at:], whole[:at]):
        try:
            hl7.read(raw)
        except Hl7Error:
            continue


def test_an_acknowledgement_repeats_nothing_unusual():
    ack = hl7.acknowledge(message(), accepted=True, text="", at="20261122093000", number=7)
    assert ack == b"MSH|^~\\&|PLI|CABINET|RIS|CLINIQUE|20261122093000||ACK^T02|PLI7|P|2.6\rMSA|AA|42|\r"
    evil = message().replace(b"|42|", b"|42\x1b[2J|").replace(b"|RIS|", b"|RIS\\.br\\|")
    ack = hl7.acknowledge(evil, accepted=False, text="patient_unknown", at="20261122093000", number=7)
    assert ack.count(b"\r") == 2
    assert b"MSA|AE||patient_unknown" in ack
    assert b"RIS" not in ack
    assert hl7.acknowledge(b"\xff", accepted=False, text="x", at="1", number=1).startswith(b"MSH|")
