"""Sealed messages over the interface: once, in order, as the rules allow, many in one transaction."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from crypto.codec import b64, unb64
from tests.fakes.peer import Peer, Refused
from tests.fakes.server import running


async def refused(call) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


@pytest.fixture
async def pair(people):
    claire = await people("Claire Martin")
    letter = await claire.invite()
    jean = await people(letter)
    await claire.refresh(letter.conversation)
    return claire, jean, letter.conversation


async def test_the_same_bytes_count_once(pair):
    claire, jean, conv = pair
    submission = jean.words(conv, "Merci")
    url, headers = f"/v1/conversations/{b64(conv)}/envelopes", {"Authorization": f"Bearer {jean.token}"}
    answers = []
    for _ in range(3):
        async with jean.http.post(url, json=submission, headers=headers) as answer:
            answers.append((answer.status, await answer.json()))
    assert [status for status, _ in answers] == [201, 200, 200]
    assert len({str(told) for _, told in answers}) == 1
    together = jean.words(conv, "ensemble")
    results = await asyncio.gather(*(jean.hand_in(conv, together) for _ in range(20)))
    assert len({each["seq"] for each in results}) == 1
    assert await claire.read(conv) == ["Bonjour", "Merci", "ensemble"]


async def test_a_retry_is_answered_after_the_conversation_has_moved_on(pair):
    claire, jean, conv = pair
    submission = jean.words(conv, "Merci")
    first = await jean.hand_in(conv, submission)
    await claire.end(conv)
    assert await jean.hand_in(conv, submission) == first


async def test_somebody_elses_envelope_is_not_taken_as_ones_own(pair):
    claire, jean, conv = pair
    submission = jean.words(conv, "Merci")
    await jean.hand_in(conv, submission)
    assert (await refused(claire.hand_in(conv, submission))).code == "not_permitted"


async def test_seq_is_gapless_and_the_same_for_all(pair):
    claire, jean, conv = pair
    submissions = [(who, who.words(conv, str(n))) for n in range(20) for who in (claire, jean)]
    random.Random(7).shuffle(submissions)
    await asyncio.gather(*(who.hand_in(conv, each) for who, each in submissions))
    seen = [await who.events(conv, after=0, limit=200) for who in (claire, jean)]
    assert [event["seq"] for event in seen[0]] == list(range(1, len(seen[0]) + 1))
    assert [event["seq"] for event in seen[0]] == [event["seq"] for event in seen[1]]
    assert [e.get("id") for e in seen[0]] == [e.get("id") for e in seen[1]]


async def test_the_professional_decides_whether_answers_are_allowed(pair):
    claire, jean, conv = pair
    await claire.say(conv, "Sans réponse", reply="none")
    told = await refused(jean.say(conv, "mais"))
    assert (told.status, told.code) == (403, "reply_not_allowed")
    assert told.problem["policy"] == {"reply": "none", "until": None, "by": b64(claire.id)}
    policy = (await jean.events(conv))[-1]
    assert (policy["type"], policy["policy"]["reply"], unb64(policy["by"])) == ("policy", "none", claire.id)
    until = int(time.time() * 1000) + 60_000
    await claire.say(conv, "Jusqu'à demain", reply={"until": until})
    await jean.say(conv, "d'accord")
    await claire.end(conv)
    assert (await refused(jean.say(conv, "encore"))).problem["policy"]["reply"] == "ended"
    await claire.say(conv, "Je rouvre")
    await jean.say(conv, "merci")
    kinds = [event["policy"]["reply"] for event in await jean.events(conv) if event["type"] == "policy"]
    assert kinds == ["none", "until", "ended", "open"]


async def test_what_keeps_the_reply_right_is_accepted_and_changes_nothing(pair):
    claire, jean, conv = pair
    await claire.end(conv)
    before = [event["type"] for event in await jean.events(conv)]
    await claire.hand_in(conv, {**claire.words(conv, "Noté"), "reply": "keep"})
    assert [event["type"] for event in await jean.events(conv)] == [*before, "envelope"]
    assert (await refused(jean.say(conv, "encore"))).problem["policy"]["reply"] == "ended"
    assert (await refused(jean.hand_in(conv, {**jean.words(conv, "x"), "reply": "keep"}))).code == "bad_request"


async def test_only_a_professional_ends_and_says_who_answers(pair):
    _claire, jean, conv = pair
    submission = jean.words(conv, "x")
    assert (await refused(jean.hand_in(conv, {**submission, "kind": "end"}))).code == "not_permitted"
    assert (await refused(jean.hand_in(conv, {**submission, "reply": "open"}))).code == "bad_request"
    assert (await refused(jean.hand_in(conv, {**submission, "kind": "receipt", "reply": "none"}))).code == "bad_request"


async def test_an_old_epoch_is_stale(pair, people):
    claire, jean, conv = pair
    karim = await people("Karim Haddad")
    late = jean.words(conv, "trop tard")
    await claire.add(conv, karim.id)
    told = await refused(jean.hand_in(conv, late))
    assert (told.status, told.code, told.problem["epoch"]) == (409, "stale_epoch", 3)


async def test_what_is_no_envelope_is_refused_and_leaves_no_trace(pair):
    _claire, jean, conv = pair
    good = jean.words(conv, "x")
    wire = unb64(good["envelope"])
    before = await jean.events(conv)
    for changed, code in [
        ({"envelope": b64(wire[:2] + bytes(16) + wire[18:])}, "wrong_conversation"),
        ({"envelope": b64(b"\x02" + wire[1:])}, "unknown_version"),
        ({"envelope": b64(wire[:60])}, "bad_format"),
        ({"envelope": ""}, "bad_format"),
        ({"envelope": b64(wire + bytes(262_144))}, "envelope_too_large"),
        ({"envelope": "***"}, "bad_request"),
        ({"attachments": [b64(b"a" * 16)]}, "attachment_unknown"),
        ({"attachments": ["x"]}, "bad_request"),
        ({"attachments": [b64(bytes([n]) * 16) for n in range(21)]}, "bad_request"),
        ({"read_seq": 3}, "bad_request"),
        ({"kind": "poem"}, "bad_request"),
        ({"more": 1}, "bad_request"),
    ]:
        assert (await refused(jean.hand_in(conv, good | changed))).code == code, changed.keys()
    assert await jean.events(conv) == before
    await jean.hand_in(conv, good)


async def test_a_receipt_moves_the_readers_own_mark(pair):
    claire, jean, conv = pair
    said = await claire.say(conv, "Lisez")
    await jean.acknowledge(conv, unb64(said["id"]), said["seq"])
    (shown,) = (await jean.ask("GET", "/v1/conversations"))["conversations"]
    assert (shown["read_seq"], shown["unread"]) == (said["seq"], 0)


async def test_a_message_is_taken_back_while_nobody_has_read_it(pair):
    claire, jean, conv = pair
    first, second = await claire.say(conv, "un"), await claire.say(conv, "deux")
    url = f"/v1/conversations/{b64(conv)}/envelopes/"
    assert (await refused(jean.ask("DELETE", url + second["id"]))).code == "not_permitted"
    await claire.ask("DELETE", url + second["id"])
    await claire.ask("DELETE", url + second["id"])
    events = await jean.events(conv)
    assert next(e for e in events if e.get("id") == second["id"] and e["type"] == "envelope")["envelope"] is None
    retracted = [e for e in events if e["type"] == "retracted"]
    assert [(e["id"], e["target_seq"], unb64(e["by"])) for e in retracted] == [(second["id"], second["seq"], claire.id)]
    await jean.acknowledge(conv, unb64(first["id"]), first["seq"])
    assert (await refused(claire.ask("DELETE", url + first["id"]))).code == "already_read"
    assert await jean.read(conv) == ["Bonjour", "un"]


async def test_many_senders_share_transactions(tmp_path):
    """64 senders at once: far fewer commits than messages, and each one is answered and stored once."""
    async with running(tmp_path / "data") as local:
        claire = await Peer.professional(local, "Claire Martin")
        karim = await Peer.professional(local, "Karim Haddad")
        conv = await claire.start((karim.id, "professional"))
        sealed = [claire.words(conv, str(n)) for n in range(640)]
        waiting = iter(sealed)
        commits, intents = local.store.counts.commits, local.store.counts.intents

        async def sender():
            for each in waiting:
                await claire.hand_in(conv, each)

        await asyncio.gather(*(sender() for _ in range(64)))
        commits, intents = local.store.counts.commits - commits, local.store.counts.intents - intents
        assert intents >= 640
        assert commits / intents < 0.25
        assert (await claire.feed())["last"] == 641
        await claire.close()
        await karim.close()


# --- kill -9 ---------------------------------------------------------------------------------------------------------

PLI = [sys.executable, "-m", "server"]


class Process:
    """A real `pli serve`, which may die at any moment."""

    def __init__(self, data: Path):
        self.data, self.port, self.process = data, 0, None
        subprocess.run([*PLI, "init", "--data", data], check=True, capture_output=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def start(self):
        command = [*PLI, "serve", "--data", self.data, "--port", str(self.port), "--no-web"]
        self.process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(20):
            while not (line := (await self.process.stderr.readline()).decode()).startswith("ready"):
                assert line, "the server ended before it was ready"
        self.port = int(line.strip().rsplit(":", 1)[1])
        self._drain = asyncio.create_task(self.process.stderr.read())

    async def kill(self):
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self._drain

    async def activation(self, name, profession, identifier):
        command = [*PLI, "admin", "professional", "add", "--data", self.data, "--json"]
        told = await asyncio.to_thread(
            subprocess.run,
            [*command, "--name", name, "--profession", profession, "--rpps", identifier],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return unb64(json.loads(told.stdout)["activation_link"].rsplit("#", 1)[-1].split(".")[-1])


@pytest.mark.slow
async def test_kill_9_under_load_loses_nothing_that_was_acknowledged(tmp_path):
    server = Process(tmp_path / "data")
    await server.start()
    claire = await Peer.professional(server, "Claire Martin")
    karim = await Peer.professional(server, "Karim Haddad")
    conv = await claire.start((karim.id, "professional"))
    acknowledged: dict[str, int] = {}
    for _ in range(4):
        dead = asyncio.Event()

        async def sender(dead=dead):
            while not dead.is_set():
                try:
                    told = await claire.hand_in(conv, claire.words(conv, os.urandom(8).hex()))
                except (aiohttp.ClientError, OSError):
                    return
                acknowledged[told["id"]] = told["seq"]

        senders = [asyncio.create_task(sender()) for _ in range(8)]
        reached = len(acknowledged) + 30
        async with asyncio.timeout(30):
            while len(acknowledged) < reached:
                await asyncio.sleep(0.01)
        await server.kill()
        dead.set()
        await asyncio.gather(*senders)
        await server.start()
    stored, after = {}, 0
    while page := await karim.events(conv, after=after, limit=200):
        assert [event["seq"] for event in page] == list(range(after + 1, after + 1 + len(page)))
        after = page[-1]["seq"]
        stored |= {event["id"]: event["seq"] for event in page if event["type"] == "envelope"}
    assert len(acknowledged) >= 120
    assert acknowledged.items() <= stored.items()
    positions = [entry["position"] for entry in (await karim.feed(limit=500))["events"]]
    assert positions == list(range(1, len(positions) + 1))
    await server.kill()
    await claire.close()
    await karim.close()
