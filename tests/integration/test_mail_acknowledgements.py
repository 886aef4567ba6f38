"""The seven acknowledgements of machines, 900 to 906: when we send them, and what we make of those that come."""

from email.message import EmailMessage

import pytest

from bridges.kit.errors import UsageError
from bridges.mail.entitlements import load
from tests.fakes.mail_archives import archive, edited, hidden
from tests.fakes.mail_bridge import INS, JEAN, LEROY, configuration, desk_of, mail, make_home, sent, take
from tests.integration.test_mail_carrying import mine, payloads, with_files

OTHER = "248039263001064"
BOX = f"{INS}@patients.cabinet.mssante.fr"
TYPE = 'code="18748-4"'
AUTHOR_CODE = 'code="G15_10/SM26"'
SEX = '<administrativeGenderCode code="F"'


@pytest.fixture
async def bridge(server, people, tmp_path):
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    await make_home(server, tmp_path / "home")
    async with desk_of(configuration(tmp_path)) as desk:
        desk.patients.learn(JEAN, account=jean.id)
        yield desk, jean


def sending(octets, number=1, fields="", to="pli@cabinet.mssante.fr"):
    return with_files(("IHE_XDM.ZIP", octets), number=number, fields=fields, to=to)


ORIGINAL = archive()[0]
CASES = {
    "version_wrong": (900, edited(ORIGINAL, ("POCD_HD000040", "POCD_HD000020")), ""),
    "version_wrong of the metadata": (
        900,
        edited(ORIGINAL, ("rim:RegistryObjectList", "rim:LeafRegistryObjectList")),
        "",
    ),
    "author_not_entitled": (901, edited(ORIGINAL, (TYPE, 'code="PRESC-AAT"'), (AUTHOR_CODE, 'code="G15_60"')), ""),
    "author_not_entitled, a patient": (901, edited(ORIGINAL, (AUTHOR_CODE, 'code="EXP_PATIENT"')), ""),
    "patient_unknown": (902, archive(OTHER)[0], ""),
    "ins_missing": (903, edited(ORIGINAL, ("1.2.250.1.213.1.4.8", "1.2.3.4.5")), ""),
    "ins_differs": (904, archive(birth_date="1980-01-01")[0], ""),
    "ins_incomplete": (905, edited(ORIGINAL, (SEX, "<nothing")), ""),
    "ins_incomplete, as the sender says": (905, ORIGINAL, "X-MSS-INS: N\n"),
    "ins_incomplete in the metadata": (905, edited(ORIGINAL, ("PID-7|19790328", "PID-7|")), ""),
    "hidden_from_patient": (906, hidden(ORIGINAL), ""),
}


@pytest.mark.parametrize("case", CASES)
async def test_each_of_the_seven_is_sent_where_its_rule_applies(bridge, case):
    desk, jean = bridge
    number, octets, fields = CASES[case]
    asked = f"{fields}Disposition-Notification-To: {LEROY}"
    assert await take(desk, sending(octets, fields=asked)) == [("refused", case.partition(" ")[0].rstrip(","))]
    (told,) = sent(desk)
    assert told["Subject"].startswith(f"[KO Intégration système !][{number}] XDM/1.0/DDM+")
    assert f"processed/Error: {number}^" in " ".join(told.get_payload(1).as_string().split())
    assert (told["To"], told["In-Reply-To"]) == (LEROY, "<x1@chu.mssante.fr>")
    assert await mine(jean) == []


async def test_without_a_request_it_is_an_ordinary_mail_of_the_same_subject(bridge):
    desk, _ = bridge
    await take(desk, sending(CASES["ins_incomplete"][1]))
    (told,) = sent(desk)
    assert (told.get_content_type(), told["Auto-Submitted"]) == ("text/plain", "auto-replied")
    assert told["Subject"].startswith("[KO Intégration système !][905] XDM/1.0/DDM+")


async def test_an_incomplete_identity_is_enough_where_the_sender_names_the_patient_otherwise(bridge):
    desk, jean = bridge
    octets = CASES["ins_incomplete"][1]
    assert await take(desk, sending(octets, to=BOX, fields="X-MSS-INS: N")) == [("accepted", None)]
    (conversation,) = await mine(jean)
    assert "INS non qualifiée" in (await payloads(jean, conversation))[-1]["text"]


async def test_an_earlier_version_and_a_second_correction_of_the_same_one_are_refused(bridge):
    desk, jean = bridge
    first, one = archive()
    second, two = archive(replaces=one, hour=10)
    fork, _ = archive(replaces=one, hour=11)
    third, _ = archive(replaces=two, hour=12)
    verdicts = [await take(desk, sending(octets, number)) for number, octets in enumerate((first, second, fork, third))]
    assert [each[0] for each in verdicts] == [
        ("accepted", None), ("accepted", None), ("refused", "version_wrong"), ("accepted", None)
    ]  # fmt: skip
    series = ('<setId root="', '<setId root="2.25.1" x="'), ('versionNumber value="1"', 'versionNumber value="3"')
    numbered = edited(archive(hour=13)[0], *series)
    earlier = edited(archive(hour=14)[0], series[0], ('versionNumber value="1"', 'versionNumber value="2"'))
    assert await take(desk, sending(numbered, 20)) == [("accepted", None)]
    assert await take(desk, sending(earlier, 21)) == [("refused", "version_wrong")]
    assert await take(desk, sending(numbered, 22)) == [("accepted", None)]  # the same document again
    elsewhere = sending(earlier, 23).replace(b"@chu.mssante.fr", b"@autre.mssante.fr")
    assert await take(desk, elsewhere) == [("accepted", None)]  # nobody ends the series of another domain
    assert len(await mine(jean)) == 2


async def test_a_request_for_another_address_is_answered_by_no_machine(bridge):
    desk, _ = bridge
    asked = "Disposition-Notification-To: autre@chu.mssante.fr"
    octets = CASES["patient_unknown"][1]
    assert await take(desk, sending(octets, fields=asked)) == [("quarantined", "untold_patient_unknown")]
    sent_from = f"Return-Path: <robot@chu.mssante.fr>\nDisposition-Notification-To: {LEROY}"
    assert await take(desk, sending(octets, 2, sent_from)) == [("quarantined", "untold_patient_unknown")]
    assert sent(desk) == []


@pytest.mark.parametrize(
    "fields", ["Auto-Submitted: auto-generated", "Precedence: bulk", "List-Id: <l.chu.fr>", "Return-Path: <>"]
)
async def test_machines_lists_and_reports_get_no_acknowledgement(bridge, fields):
    desk, _ = bridge
    await take(desk, sending(CASES["patient_unknown"][1], fields=fields))
    assert sent(desk) == []


async def test_an_acknowledgement_is_never_answered_whatever_it_asks_for(bridge):
    desk, _ = bridge
    subject = "[KO Intégration système !][902] XDM/1.0/DDM+Echographie CORSE"
    asked = f"Disposition-Notification-To: {LEROY}\r\n"
    assert await take(desk, mail(subject=subject, fields=asked)) == [("left", "report_of_nobody")]
    assert sent(desk) == []


WORDS = {
    "900": "ne prend pas cette version",
    "901": "n'est pas habilité",
    "902": "ne connaît pas ce patient",
    "903": "l'INS du patient manque",
    "904": "n'est pas celle que connaît",
    "905": "est incomplète",
    "906": "n'a pas pu classer",
}


@pytest.mark.parametrize("number", WORDS)
@pytest.mark.parametrize("form", ["mdn", "mail", "mail with the original"])
async def test_each_of_the_seven_is_told_in_the_conversation(bridge, number, form):
    desk, jean = bridge
    await take(desk, mail())
    (conversation,) = await mine(jean)
    await jean.say(conversation, "Voici", None)
    await desk.pass_once()
    (question,) = sent(desk)
    assert await take(desk, acknowledgement(number, form, question["Message-ID"])) == [("report", "failed")]
    note = (await payloads(jean, conversation))[-1]["text"]
    assert note.startswith(f"Non remis à {LEROY} : ")
    assert WORDS[number] in note
    assert f"(code {number})" in note


def acknowledgement(number, form, original):
    """As the guide of ANS has it; its subject differs from one page to the next."""
    made = EmailMessage()
    made["From"], made["To"], made["Message-ID"] = LEROY, "pli@cabinet.mssante.fr", f"<a{number}@chu.mssante.fr>"
    if form == "mdn":
        made["Subject"] = f"[KO Intégration système !][{number}] XDM/1.0/DDM+CR"
        disposition = f"Disposition: automatic-action/MDN-sent-automatically; processed/Error: {number}^libelle"
        lines = f"Final-Recipient: rfc822; {LEROY}\r\nOriginal-Message-ID: {original}\r\n{disposition}\r\n"
        head = "".join(f"{name}: {value}\r\n" for name, value in made.items())
        return (
            f"{head}MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=disposition-notification;"
            f' boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nKO\r\n--b\r\n'
            f"Content-Type: message/disposition-notification\r\n\r\n{lines}\r\n--b--\r\n"
        ).encode()
    made["Subject"] = f"[Erreur d'intégration !][{number}] XDM/1.0/DDM+CR"
    made.set_content("Le document n'a pas été intégré.")
    if form == "mail":
        made["In-Reply-To"] = original
    else:
        inner = EmailMessage()
        inner["Message-ID"] = original
        inner.set_content("original")
        made.add_attachment(inner)
    return made.as_bytes()


async def test_an_acknowledgement_of_somebody_else_says_nothing(bridge):
    desk, jean = bridge
    await take(desk, mail())
    (conversation,) = await mine(jean)
    await jean.say(conversation, "Voici", None)
    await desk.pass_once()
    (question,) = sent(desk)
    forged = acknowledgement("902", "mdn", question["Message-ID"]).replace(LEROY.encode(), b"voleur@chu.mssante.fr")
    assert await take(desk, forged) == [("left", "report_of_a_stranger")]


@pytest.mark.parametrize(
    "text",
    ["", "type\tprofessions\n", "type\tprofessions\tsince\tsource\nnone\t10\t2026-01-01\tx\n",
     "type\tprofessions\tsince\tsource\n18748-4\tdoctor\t2026-01-01\tx\n",
     "type\tprofessions\tsince\tsource\n18748-4\t10\tnever\tx\n"],
)  # fmt: skip
def test_a_broken_table_of_entitlements_is_refused(tmp_path, text):
    path = tmp_path / "e.tsv"
    path.write_text(text)
    with pytest.raises(UsageError):
        load(path)


async def test_an_installation_may_replace_the_table(server, people, tmp_path):
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    await make_home(server, tmp_path / "home")
    (tmp_path / "e.tsv").write_text("type\tprofessions\tsince\tsource\n18748-4\t21\t2026-01-01\tthe practice\n")
    async with desk_of(configuration(tmp_path, top='entitlements = "e.tsv"')) as desk:
        desk.patients.learn(JEAN, account=jean.id)
        assert await take(desk, sending(ORIGINAL)) == [("refused", "author_not_entitled")]
        odd = edited(ORIGINAL, (AUTHOR_CODE, 'code="UNKNOWN"'))
        assert await take(desk, sending(odd, 2)) == [("accepted", None)]  # who cannot be told apart is not refused
