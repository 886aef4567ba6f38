"""The running mail bridge between a real Dovecot and real conversations."""

import email
import email.policy
from collections.abc import Iterator

import pytest

from crypto.codec import unb64
from tests.fakes.dovecot import Dovecot, needs_dovecot, running_dovecot
from tests.fakes.mail_bridge import BOX, JEAN, LEROY, configuration, mail, make_home, running_bridge, soon

pytestmark = needs_dovecot


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as made:
        yield made


@pytest.fixture
def user(request) -> str:
    """A mailbox of one's own in the shared Dovecot."""
    return f"u{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture
async def bridge(server, people, dovecot, tmp_path, user):
    """A running bridge whose only patient has an account."""
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    await make_home(server, tmp_path / "home")
    async with running_bridge(configuration(tmp_path, dovecot, user=user)) as desk:
        desk.patients.learn(JEAN, account=jean.id)
        yield desk, jean


async def begun(peer, count=1):
    """The ids of the conversations that a bridge began with a peer, oldest first."""

    async def found():
        shown = (await peer.ask("GET", "/v1/conversations"))["conversations"]
        return shown if len(shown) > count else None

    return [unb64(each["conversation"]) for each in reversed(await soon(found, "a conversation"))][1:]


async def texts(peer, conversation, count):
    async def found():
        read = await peer.read(conversation)
        return read if len(read) >= count else None

    return await soon(found, f"{count} texts")


def parsed(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


async def test_a_mail_becomes_a_message_and_its_answer_a_mail(bridge, dovecot, user):
    desk, jean = bridge
    asks = f"Disposition-Notification-To: {LEROY}\r\n"
    dovecot.put(mail("Bonjour, votre bilan est bon.", fields=asks), user=user)
    (conversation,) = await begun(jean)
    opening, first = await texts(jean, conversation, 2)
    assert "chiffrement de bout en bout s'arrête" in opening
    assert BOX in opening
    assert "Cabinet du Sud" in opening
    assert first == f"De : Dr Leroy <{LEROY}>, par MSSanté\n\nBonjour, votre bilan est bon."
    events = await jean.events(conversation, after=0)
    last = [each for each in events if each["type"] == "envelope"][-1]
    await jean.acknowledge(conversation, unb64(last["id"]), last["seq"])
    await jean.say(conversation, "Merci docteur !", None)
    mails = await soon(lambda: (found := dovecot.mails(user))[2:] and found, "answer and receipt")
    answer = next(each for each in map(parsed, mails[1:]) if each.get_content_type() == "text/plain")
    assert answer.get_content().strip() == "Merci docteur !"
    assert answer["In-Reply-To"] == "<1@chu.mssante.fr>"
    assert answer["References"] == "<1@chu.mssante.fr>"
    assert answer["Subject"] == "Re: Retour de consultation"
    assert answer["From"].addresses[0].display_name == "Anne CORSE"
    receipt = next(each for each in map(parsed, mails[1:]) if each.get_content_type() == "multipart/report")
    report = receipt.get_payload(1).as_string()
    assert "displayed" in report
    assert "<1@chu.mssante.fr>" in report
    again = f"In-Reply-To: {answer['Message-ID']}\r\nReferences: <1@chu.mssante.fr> {answer['Message-ID']}\r\n"
    dovecot.put(mail("Avec plaisir.", number=2, subject="Re: Retour de consultation", fields=again), user=user)
    assert (await texts(jean, conversation, 4))[-1].endswith("Avec plaisir.")
    await soon(lambda: desk.inbox.counts("cabinet").get("accepted") == 2, "both are settled")  # after they were said
