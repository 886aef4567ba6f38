"""The server never sees a word: what people write is nowhere in what it keeps, logs or hears."""

import base64
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journeys.people import PHONE, Person, last_message, take_letter
from tests.journeys.support import Recorder, Server, Terminal, luhn, write_pdf


def spellings(marker: str) -> Iterator[tuple[str, bytes]]:
    """Yield every way the marker could be written down: raw, UTF-16, hex, base64 at each of its three alignments."""
    raw = marker.encode()
    yield "raw", raw
    yield "utf-16", marker.encode("utf-16-le")
    yield "hex", raw.hex().encode()
    for shift in range(3):
        # The first and last characters of a shifted block depend on their neighbours, so they are cut off.
        inner = base64.b64encode(b"\0" * shift + raw)[(4 if shift else 0) : -4]
        yield f"base64+{shift}", inner
        yield f"base64url+{shift}", inner.replace(b"+", b"-").replace(b"/", b"_")


def hits(markers: dict[str, str], places: dict[str, bytes]) -> list[str]:
    return [
        f"{what} as {how} in {where}"
        for what, marker in markers.items()
        for how, spelling in spellings(marker)
        for where, content in places.items()
        if spelling in content
    ]


def test_the_search_finds_what_is_there() -> None:
    """The check below would notice: a planted word is found in each spelling."""
    marker = {"text": "mot-" + secrets.token_hex(8)}
    raw = marker["text"].encode()
    for shift in range(3):
        place = {"file": b"noise" + base64.urlsafe_b64encode(b"x" * shift + raw + b"tail") + b"noise"}
        assert hits(marker, place), shift
    assert hits(marker, {"file": raw.hex().encode()})
    assert not hits(marker, {"file": b"nothing here"})


@pytest.mark.slow
def test_nothing_people_write_reaches_the_server(
    make_server: Callable[..., Server],
    terminal: Callable[..., Terminal],
    recorder: Callable[[int], Recorder],
    tmp_path: Path,
) -> None:
    mark = {
        name: f"{name}zq{secrets.token_hex(8)}"
        for name in ("patient", "subject", "text", "filename", "document", "answer", "photo", "reason")
    }
    server = make_server(extra=["--no-web"])
    wire = recorder(server.port)
    doctor, patient = (
        terminal("doctor", f"http://127.0.0.1:{wire.port}"),
        terminal("patient", f"http://127.0.0.1:{wire.port}"),
    )
    link = server.add_professional("Claire Martin", "10", luhn("9990000001"))
    prescription = write_pdf(tmp_path / f"{mark['filename']}.pdf", mark["document"])
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff\xe0" + mark["photo"].encode() * 9000)

    doctor.run("account", "create", "--link", link)
    invited = doctor.run(
        "invite",
        "--name",
        mark["patient"],
        "--subject",
        mark["subject"],
        "--text",
        mark["text"],
        "--file",
        prescription,
    )
    claimed = patient.run("account", "claim", "--link", invited["invitation_link"])
    conversation = claimed["conversations"][0]
    read = patient.run("read", conversation, "--save", tmp_path / "saved")
    assert mark["text"] in read["messages"][0]["text"], "the journey itself must work, or silence proves nothing"
    assert Path(read["messages"][0]["attachments"][0]["path"]).read_bytes() == prescription.read_bytes()
    patient.run("send", conversation, "--text", mark["answer"], "--file", photo)
    assert mark["answer"] in doctor.run("read", conversation)["messages"][-1]["text"]
    doctor.run("end", conversation, "--text", mark["reason"])

    mark["invitation secret"] = secret_of(invited["invitation_link"])
    mark["recovery code"] = claimed["recovery_code"]
    assert len(wire.heard) > 300_000, "the attachments went over the recorded sockets"
    assert hits(mark, {"sockets": bytes(wire.heard), **kept_by(server)}) == []


def secret_of(link: str) -> str:
    return link.split("#1.")[1].split(".", maxsplit=1)[0]


def kept_by(server: Server) -> dict[str, bytes]:
    """Stop the server; all its files and its log."""
    server.stop()
    places = {str(f.relative_to(server.data)): f.read_bytes() for f in server.data.rglob("*") if f.is_file()}
    assert any(len(content) > 10_000 for content in places.values())
    return places | {"log": server.log.read_bytes()}


@pytest.mark.slow
@pytest.mark.browser
def test_nothing_a_browser_says_reaches_the_server(
    make_server: Callable[..., Server],
    terminal: Callable[..., Terminal],
    recorder: Callable[[int], Recorder],
    person: Callable[..., Person],
    tmp_path: Path,
) -> None:
    mark = {
        name: f"{name}zq{secrets.token_hex(8)}"
        for name in ("patient", "subject", "text", "filename", "answer", "photo")
    }
    server = make_server(start=False)
    wire = recorder(server.port)
    server.public_url = f"http://127.0.0.1:{wire.port}"
    server.start()
    doctor = terminal("doctor", server.url)
    doctor.run("account", "create", "--link", server.add_professional("Claire Martin", "10", luhn("9990000001")))
    invited = doctor.run("invite", "--name", mark["patient"], "--subject", mark["subject"], "--text", mark["text"])
    photo = tmp_path / f"{mark['filename']}.jpg"
    photo.write_bytes(b"\xff\xd8\xff\xe0" + mark["photo"].encode() * 9000)

    jean, frames = person(PHONE), bytearray()
    # A browser masks its frames on the wire: what it says live is listened to before that.
    jean.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.extend(_bytes(frame))))
    mark["recovery code"] = take_letter(jean, invited["invitation_link"])
    jean.sees(mark["text"])
    jean.write(mark["answer"])
    jean.attach(photo)
    jean.press("Envoyer")
    last_message(jean, mark["answer"]).wait_for()
    jean.sees("Envoyé")
    conversation = doctor.run("conversations")["conversations"][0]["id"]
    assert doctor.run("read", conversation)["messages"][-1]["attachments"][0]["name"] == photo.name
    jean.sees("Lu par Claire Martin")
    jean.context.close()

    mark["invitation secret"] = secret_of(invited["invitation_link"])
    assert len(frames) > 0, "the live socket was used"
    assert len(wire.heard) > 70_000, "the photo went over the recorded sockets"
    assert hits(mark, {"sockets": bytes(wire.heard), "frames": bytes(frames), **kept_by(server)}) == []


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame
