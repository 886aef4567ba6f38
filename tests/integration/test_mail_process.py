"""`pli-bridge mail --config FILE` as a program: from the terminal alone, with a real server and a real Dovecot."""

import asyncio
import base64
import contextlib
import email
import email.policy
import json
import signal
import sys

from tests.fakes.dovecot import needs_dovecot, running_dovecot
from tests.fakes.mail_bridge import BOX, INS, configuration, mail, make_home, soon


async def pli_bridge(*words, fails=0):
    """Run one command to its end and give its JSON."""
    command = [sys.executable, "-m", "bridges", *map(str, words), "--json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == fails, (words, out, err)
    return json.loads(out)


@contextlib.asynccontextmanager
async def program(path):
    """Run the bridge until the block ends, then ask it to stop."""
    command = [sys.executable, "-m", "bridges", "mail", "--config", str(path)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0, await process.stderr.read()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()


@needs_dovecot
async def test_a_practice_runs_the_bridge_from_the_terminal(server, tmp_path):
    with running_dovecot() as dovecot:
        await make_home(server, tmp_path / "home")
        config = configuration(tmp_path, dovecot)
        traits = ("--birth-name", "Corse", "--first-name", "Anne", "--birth-date", "1979-03-28", "--sex", "F")
        invited = await pli_bridge("mail", "patients", "add", "--config", config, "--ins", INS, *traits)
        anne = ("--home", tmp_path / "anne", "--server", server.url)
        await pli_bridge("account", "claim", "--link", invited["invitation_link"], *anne)
        conversation = f"id:{invited['conversation']}"
        async with program(config):
            await asyncio.to_thread(dovecot.put, mail("Votre bilan est bon."))

            async def read():
                shown = await pli_bridge("read", conversation, *anne)
                return shown["messages"] if len(shown["messages"]) > 1 else None

            opening, first = await soon(read, "the mail in the conversation")
            assert BOX in opening["text"]
            assert "Votre bilan est bon." in first["text"]
            assert first["author"]["name"] == "Passerelle du Cabinet du Sud"
            await pli_bridge("send", conversation, "--text", "Merci !", *anne)
            raw = await soon(lambda: dovecot.mails()[1:], "the answer in the mailbox")
            answer = email.message_from_bytes(raw[0], policy=email.policy.default)
            assert answer.get_content().strip() == "Merci !"
            await asyncio.to_thread(dovecot.put, mail("Bonjour", number=2, sender="x@evil.example"))

            async def aside():
                return (await pli_bridge("mail", "quarantine", "list", "--config", config))["quarantine"]

            (kept,) = await soon(aside, "the stranger's mail")
            assert kept["reason"] == "sender_not_trusted"
            shown = await pli_bridge("mail", "quarantine", "show", kept["mail"], "--config", config)
            assert base64.b64decode(shown["raw"]) == mail("Bonjour", number=2, sender="x@evil.example")
            replayed = await pli_bridge("mail", "quarantine", "replay", kept["mail"], "--config", config)
            assert replayed == {"replayed": 1}

            async def well():
                told = await pli_bridge("mail", "doctor", "--config", config)
                return told if {each["condition"] for each in told["lives"]} == {"idle"} else None

            told = await soon(well, "everything idle")
            assert all(each["ok"] for each in told["checks"])
            assert told["boxes"][0]["mails"]["accepted"] == 1
        listed = (await pli_bridge("mail", "patients", "list", "--config", config))["patients"]
        assert [(each["ins"], bool(each["account"])) for each in listed] == [(INS, True)]
        (tmp_path / "password").write_text("wrong")
        told = await pli_bridge("mail", "doctor", "--config", config, fails=3)
        wrong = [each["check"] for each in told["checks"] if not each["ok"]]
        assert wrong == ["cabinet: mailbox"]


async def test_what_is_not_configured_is_said(tmp_path):
    assert (await pli_bridge("mail", fails=2))["error"]["code"] == "usage"
    assert (await pli_bridge("mail", "doctor", "--config", tmp_path / "none", fails=2))["error"][
        "code"
    ] == "file_unreadable"
