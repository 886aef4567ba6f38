"""Whom a mail may go to: the last question before it leaves. Real conversations and state, a directory on a socket."""

import asyncio
import json
import time
from functools import partial

import msgspec
import pytest
from aiohttp import web

from bridges.__main__ import main
from bridges.mail import process
from bridges.mail.address import read_address
from bridges.mail.config import load
from bridges.mail.delivering import write_down
from bridges.mail.directory.book import Verified
from bridges.mail.directory.commands import probe
from bridges.mail.directory.entries import Entry
from bridges.mail.directory.standing import DAY, FRESH, LONGEST
from bridges.mail.discovery import resolve
from bridges.mail.lmtp_service import Operator
from bridges.mail.outgoing import Composed
from bridges.mail.recipients import Guarded
from bridges.mail.submission import RefusedError, Sent
from bridges.mail.threads import Writer
from crypto.codec import unb64
from tests.fakes.annuaire import KEY, annuaire, mailbox, organization, practitioner
from tests.fakes.mail_bridge import JEAN, LEROY, configuration, desk_of, mail, make_home, take
from tests.integration.test_mail_carrying import mine, payloads

ELSEWHERE = "secretariat@clinique.mssante.fr"


def run(folder, capsys, *words):
    """Run a command as a person does; gives its exit code and its answer."""
    code = main(["mail", "directory", *map(str, words), "--config", str(folder / "bridge.toml"), "--json"])
    return code, json.loads(capsys.readouterr().out)


class Way:
    """Where mails would leave."""

    def __init__(self):
        self.taken = []

    async def send(self, composed):
        self.taken.append(composed)
        return Sent("ok", dsn=False)


@pytest.fixture
async def people_of(server, people, tmp_path):
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    await make_home(server, tmp_path / "home")
    return jean


def opened(folder, top=""):
    return desk_of(configuration(folder, top=top))


def asking(folder, url):
    secret = folder / "key"
    secret.write_text(f"{KEY}\n")
    secret.chmod(0o600)
    return f'directory = {{ key_file = "key", url = "{url}", inside = true }}'


async def leave(desk, way=None):
    """Send what waits, as the task of the box does; gives what left."""
    box, way = desk.config.box[0], way or Way()
    guarded = Guarded(way, box, desk.recipients)
    for leased in desk.outgoing.due(box.name):
        try:
            sent = await guarded.send(leased.mail)
        except RefusedError as refused:
            desk.outgoing.failed(leased.id, permanent=refused.permanent, text=refused.text)
        else:
            write_down(desk.outgoing, leased, sent)
    return [[str(each) for each in one.recipients] for one in way.taken]


async def answered(desk, jean, fields="", number=1):
    """A colleague writes, the patient answers."""
    assert await take(desk, mail(number=number, fields=fields)) == [("accepted", None)]
    conversation = (await mine(jean))[-1]
    await jean.say(conversation, "Merci", None)
    await desk.pass_once()
    return conversation


async def test_who_wrote_is_answered_without_any_directory(people_of, tmp_path):
    async with opened(tmp_path) as desk:
        desk.patients.learn(JEAN, account=people_of.id)
        await answered(desk, people_of)
        assert await leave(desk) == [[LEROY]]


async def test_a_reply_to_of_the_same_domain_is_the_senders_own_affair(people_of, tmp_path):
    async with opened(tmp_path) as desk:
        desk.patients.learn(JEAN, account=people_of.id)
        await answered(desk, people_of, "Reply-To: accueil@chu.mssante.fr\r\n")
        assert await leave(desk) == [["accueil@chu.mssante.fr"]]


@pytest.mark.parametrize(
    ("where", "code"),
    [(ELSEWHERE, "recipient_not_in_directory"), ("espion@exemple.com", "recipient_not_trusted")],
)
async def test_an_answer_to_elsewhere_stays_here_and_the_conversation_says_why(people_of, tmp_path, where, code):
    async with opened(tmp_path) as desk:
        desk.patients.learn(JEAN, account=people_of.id)
        conversation = await answered(desk, people_of, f"Reply-To: {where}\r\n")
        assert await leave(desk) == []
        await desk.pass_once()
        note = (await payloads(people_of, conversation))[-1]["text"]
        assert note.startswith(f"Non remis à {where} : cette adresse n'est pas dans l'")
        assert f"(code {code})" in note


async def test_a_listed_one_is_written_to_and_asked_about_once_a_week(people_of, tmp_path):
    site_of = annuaire(organization("o1", "750712184", mailbox(ELSEWHERE, "ORG")))
    async with site_of as site, opened(tmp_path, asking(tmp_path, site.url)) as desk:
        desk.patients.learn(JEAN, account=people_of.id)
        await answered(desk, people_of, f"Reply-To: {ELSEWHERE}\r\n")
        assert await leave(desk) == [[ELSEWHERE]]
        asked = len(site.asked)
        directory = desk.recipients.directory
        assert ((await directory.standing(ELSEWHERE)).verdict, len(site.asked)) == ("listed", asked)
        directory.clock = lambda: time.time() + FRESH + 60
        site.resources.clear()  # and then it is gone
        assert (await directory.standing(ELSEWHERE)).verdict == "unlisted"


async def test_the_copy_serves_while_the_directory_is_down_and_not_for_ever(people_of, tmp_path):
    site_of = annuaire(organization("o1", "750712184", mailbox(ELSEWHERE, "ORG")))
    async with site_of as site, opened(tmp_path, asking(tmp_path, site.url)) as desk:
        directory = desk.recipients.directory
        await directory.standing(ELSEWHERE)
        site.script = [web.Response(status=401) for _ in range(9)]
        directory.clock = lambda: time.time() + LONGEST - DAY
        standing = await directory.standing(ELSEWHERE)
        assert (standing.verdict, standing.trouble) == ("listed", "key_refused")
        asked = len(site.asked)
        assert ((await directory.standing(ELSEWHERE)).trouble, len(site.asked)) == ("key_refused", asked)  # not at once
        directory.clock = lambda: time.time() + LONGEST + DAY
        assert (await directory.standing(ELSEWHERE)).verdict == "too_old"
        desk.patients.learn(JEAN, account=people_of.id)
        await answered(desk, people_of, f"Reply-To: {ELSEWHERE}\r\n")
        assert await leave(desk) == []
        assert desk.outgoing.counts("cabinet") == {"queued": 1}  # it waits: nobody knows


async def test_a_closed_box_gets_nothing_even_if_it_wrote(people_of, tmp_path):
    async with opened(tmp_path) as desk:
        desk.patients.learn(JEAN, account=people_of.id)
        await answered(desk, people_of)
        desk.recipients.directory.book.learn(LEROY, [Entry(address=LEROY, kind="PER", active=False)])
        assert await leave(desk) == []
        assert [each.said for each in desk.outgoing.untold()] == ["recipient_inactive"]


async def test_a_personal_box_of_two_people_is_nobodys_until_somebody_vouches(people_of, tmp_path):
    box = mailbox(ELSEWHERE)
    doubled = practitioner("p1", "10003456789", box), practitioner("p2", "10009999999", box)
    async with annuaire(*doubled) as site, opened(tmp_path, asking(tmp_path, site.url)) as desk:
        directory = desk.recipients.directory
        assert (await directory.standing(ELSEWHERE)).verdict == "ambiguous"
        directory.book.verify(Verified(entry=Entry(address=ELSEWHERE, name="Clinique"), at=time.time(), by="MC"))
        assert (await directory.standing(ELSEWHERE)).verdict == "listed"


async def test_one_refused_recipient_does_not_keep_the_others_from_it(people_of, tmp_path):
    async with opened(tmp_path) as desk:
        desk.patients.learn(JEAN, account=people_of.id)
        await take(desk, mail())
        (thread,) = desk.threads.all()
        other = Writer("dr.b@chu.mssante.fr", "B", "espion@exemple.com")
        desk.threads.add(msgspec.structs.replace(thread, writers=[*thread.writers, other]))
        await people_of.say(thread.conversation, "Merci", None)
        await desk.pass_once()
        assert await leave(desk) == [[LEROY]]
        await desk.pass_once()
        note = (await payloads(people_of, thread.conversation))[-1]["text"]
        assert note.startswith("Non remis à espion@exemple.com : ")
        assert note.endswith("(code recipient_not_trusted).")


@pytest.mark.parametrize(
    ("asks", "left"), [("espion@exemple.com", []), ("bureau@chu.mssante.fr", [["bureau@chu.mssante.fr"]])]
)
async def test_a_receipt_goes_where_the_mail_came_from_or_nowhere(people_of, tmp_path, asks, left):
    """It names the patient."""
    fields = f"Disposition-Notification-To: {asks}\r\nReturn-Path: <{asks}>\r\n"
    async with opened(tmp_path) as desk:
        desk.patients.learn(JEAN, account=people_of.id)
        assert await take(desk, mail(fields=fields)) == [("accepted", None)]
        (thread,) = desk.threads.all()
        last = [each for each in await people_of.events(thread.conversation, after=0) if each["type"] == "envelope"][-1]
        await people_of.refresh(thread.conversation)
        await people_of.acknowledge(thread.conversation, unb64(last["id"]), last["seq"])
        await desk.pass_once()
        assert desk.outgoing.counts("cabinet") == {"queued": 1}
        assert await leave(desk) == left


async def test_who_began_a_conversation_before_this_was_remembered_still_gets_receipts(people_of, tmp_path):
    async with opened(tmp_path) as desk:
        desk.patients.learn(JEAN, account=people_of.id)
        await take(desk, mail())
        desk.state.run("DELETE FROM heard")
        desk.outgoing.add("cabinet", Composed("<r@x.mssante.fr>", None, (read_address(LEROY),), b"x"))
        assert await leave(desk) == [[LEROY]]


async def test_behind_a_door_the_certificate_is_what_counts(people_of, tmp_path):
    """Operator mode: the signed list of the door may hold domains that the configuration does not name."""
    async with opened(tmp_path) as desk:
        box = desk.config.box[0]
        door = Operator(domain="patients.example", whitelist=tmp_path / "l", authority=tmp_path / "a")
        desk.recipients.heard.note("cabinet", {"dr@hopital.example"})
        known, other = map(read_address, ("dr@hopital.example", "x@hopital.example"))
        letter = Composed("<r@x.mssante.fr>", None, (known, other), b"x")
        not_trusted = dict.fromkeys((known, other), "recipient_not_trusted")
        assert await desk.recipients.refused(box, letter) == not_trusted
        behind = msgspec.structs.replace(box, operator=door)
        assert await desk.recipients.refused(behind, letter) == {other: "recipient_not_trusted"}


async def test_the_running_bridge_asks_before_each_mail(people_of, tmp_path):
    """The task that sends has no other way out."""
    async with opened(tmp_path) as desk:
        desk.grew.setdefault("cabinet", asyncio.Event())
        way = process._delivery(desk, desk.config.box[0], resolve).way
        letter = Composed("<1@x.mssante.fr>", None, (read_address("espion@exemple.com"),), b"x")
        with pytest.raises(RefusedError, match="recipient_not_trusted"):
            await way.send(letter)
        calendar = Composed("<pli.calendar.1@x.mssante.fr>", None, letter.recipients, b"x")
        with pytest.raises(RefusedError, match="no_way_in"):  # it would have gone: no server is configured
            await way.send(calendar)


def test_a_practice_without_a_key_imports_checks_and_vouches(tmp_path, capsys):
    configuration(tmp_path)
    work = partial(run, tmp_path, capsys)
    assert work("check", ELSEWHERE)[0] == 3
    extract = tmp_path / "extract.txt"
    extract.write_text(
        f"Type de BAL|Adresse BAL|Raison Sociale structure BAL\nORG|{ELSEWHERE}|Clinique du Sud\nORG|x|y\n"
    )
    code, answer = work("import", extract)
    assert (code, answer["lines"], answer["dropped"]) == (0, 1, {"not_an_address": 1})
    code, answer = work("check", ELSEWHERE.upper())
    assert (code, answer["allowed"], answer["known"][0]["source"]) == (0, True, "extract")
    assert work("import", extract, "--date", "2020-01-01")[0] == 0
    code, answer = work("check", ELSEWHERE)
    assert (code, answer["code"], answer["known"][0]["counts"]) == (3, "directory_too_old", False)
    code, answer = work("add", ELSEWHERE, "--name", "Clinique", "--by", "Marie C.", "--note", "téléphone")
    assert (code, answer["added"]["by"], answer["added"]["source"]) == (0, "Marie C.", "verified")
    assert work("check", ELSEWHERE)[0] == 0
    _, answer = work("search", "clinique", "du", "sud")
    assert {each["address"] for each in answer["found"]} == {ELSEWHERE}
    _, answer = work("show")
    assert (answer["extract"]["counts"], [each["note"] for each in answer["verified"]]) == (False, ["téléphone"])
    assert (work("remove", ELSEWHERE)[0], work("remove", ELSEWHERE)[0]) == (0, 4)


async def test_doctor_tells_key_reachability_and_age(tmp_path):
    configuration(tmp_path)
    async with annuaire(organization()) as site:
        path = configuration(tmp_path, top=asking(tmp_path, site.url))
        with process.directory_of(load(path)) as directory:
            assert [each["ok"] for each in await probe(directory)] == [True, True]
            (tmp_path / "key").write_text("autre\n")
            refused, _ = await probe(directory)
            assert (refused["ok"], refused["detail"]) == (False, "key_refused")
            (tmp_path / "key").chmod(0o644)
            assert (await probe(directory))[0]["detail"] == "home_unsafe"
    with process.directory_of(load(configuration(tmp_path))) as directory:
        old = time.time() - LONGEST - 2 * DAY
        directory.book.take_extract(iter([Entry(address=ELSEWHERE)]), file="old", made_at=old)
        (aged,) = await probe(directory)
        assert (aged["ok"], "extract 1, 32 days" in aged["detail"]) == (False, True)


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("add", "dr@exemple.com", "--name", "X", "--by", "Y"), 3, "recipient_not_trusted"),
        (("add", ELSEWHERE, "--name", "X", "--by", "Y", "--rpps", "12"), 2, "usage"),
        (("check", "no address"), 2, "usage"),
        (("import", "absent.txt"), 2, "file_unreadable"),
        (("search", "x"), 2, "usage"),
    ],
)
def test_a_wrong_word_ends_with_a_sentence(tmp_path, capsys, words, code, reason):
    configuration(tmp_path)
    done, answer = run(tmp_path, capsys, *words)
    assert (done, answer["error"]["code"]) == (code, reason)
