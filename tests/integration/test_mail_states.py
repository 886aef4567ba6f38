"""What became of a mail, as the bridge signs it in the conversation. Real conversations, reports written by hand."""

import pytest

from crypto.codec import unb64
from tests.fakes.mail_bridge import JEAN, configuration, desk_of, mail, make_home, sent, take
from tests.integration.test_mail_carrying import bounce_of, mine, payloads


@pytest.fixture
async def bridge(server, people, tmp_path):
    """A bridge that is worked by hand, and its only patient."""
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    await make_home(server, tmp_path / "home")
    async with desk_of(configuration(tmp_path)) as desk:
        desk.patients.learn(JEAN, account=jean.id)
        yield desk, jean


def delivered(message_id: str, envelope: str) -> bytes:
    """A delivery report of the mailbox's own server: it lies there."""
    bounce = bounce_of(message_id).replace(b"552 5.2.2 mailbox full", b"delivered").replace(b"<d@", b"<ok@")
    bounce = bounce.replace(b"Reporting-MTA: dns; chu", f"Original-Envelope-Id: {envelope}".encode())
    return bounce.replace(b"failed\r\nStatus: 5.2.2", b"delivered\r\nStatus: 2.0.0").replace(
        b"smtp; 552 5.2.2 quota full", b"smtp; 250 ok"
    )


async def mailed(jean, conversation) -> list[list[tuple[bytes, str, str | None]]]:
    """The statements of the bridge, in order."""
    return [list(each["states"]) for each in await payloads(jean, conversation) if each["type"] == "mailed"]


async def test_what_became_of_a_mail_is_signed_step_by_step(bridge):
    desk, jean = bridge
    await take(desk, mail())
    (conversation,) = await mine(jean)
    first = unb64((await jean.say(conversation, "Une question", None))["id"])
    await desk.pass_once()
    assert await mailed(jean, conversation) == []  # it waits here: the bridge's device having it says nothing
    (question,) = sent(desk)
    await desk.pass_once()
    await desk.pass_once()
    assert await mailed(jean, conversation) == [[(first, "handed", None)]]
    assert await take(desk, delivered(question["Message-ID"], "0" * 32)) == [("left", "report_of_a_stranger")]
    envelope = desk.outgoing.fates.envelope(question["Message-ID"])
    assert await take(desk, delivered(question["Message-ID"], envelope)) == [("report", "delivered")]
    assert (await mailed(jean, conversation))[1:] == [[(first, "delivered", None)]]
    assert await take(desk, bounce_of(question["Message-ID"])) == [("report", "failed")]
    assert (await mailed(jean, conversation))[2:] == [[(first, "failed", "box_full")]]


async def test_all_news_of_a_round_are_one_statement_and_a_crash_repeats_none(bridge):
    desk, jean = bridge
    await take(desk, mail())
    (conversation,) = await mine(jean)
    said = [unb64((await jean.say(conversation, f"Question {n}", None))["id"]) for n in range(3)]
    await desk.pass_once()
    sent(desk)
    await desk.pass_once()
    assert await mailed(jean, conversation) == [[(each, "handed", None) for each in said]]
    desk.state.run("UPDATE outgoing SET noted = 'queued'")  # as when it ends between saying so and noting that
    await desk.pass_once()
    assert len(await mailed(jean, conversation)) == 1
    assert desk.outgoing.untold() == []
