"""Cut lines, lost answers, two processes, wrong keys: nothing is lost, nothing is said twice."""

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.journeys.support import BIN, Server, Terminal, luhn
from tools.services import free_port

REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) \S+ HTTP/1\.1\r\n")


class Line:
    """A connection to the server that a test can spoil.

    `rule(request line)` gives None (pass), "swallow" (the server hears it, its answer is lost) or a number (the line is
    cut after that many bytes more).
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.rule = lambda _: None
        self.sent = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        lost = threading.Event()
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self.upstream)) as server:
            back = threading.Thread(target=self._answer, args=(server, client, lost), daemon=True)
            back.start()
            room = None
            while block := client.recv(65536):
                if found := REQUEST.match(block):
                    action = self.rule(found[0])
                    if action == "swallow":
                        lost.set()
                    room = action if isinstance(action, int) else None
                cut = room is not None and len(block) > room
                block = block[:room] if cut else block
                room = None if room is None else room - len(block)
                self.sent += len(block)
                server.sendall(block)
                if cut:
                    return

    @staticmethod
    def _answer(server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while block := server.recv(65536):
                if lost.is_set():
                    break
                client.sendall(block)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "data", tmp_path / "log", free_port(), extra=["--no-web"])
    made.lay_out()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def line(server):
    made = Line(server.port)
    yield made
    made.listener.close()


@pytest.fixture
def claire(server, tmp_path):
    person = Terminal(tmp_path / "claire", server.url)
    link = server.add_professional("Claire Martin", "10", luhn("9999000001"))
    person.run("account", "create", "--link", link)
    return person


@pytest.fixture
def letter(claire):
    return claire.run("invite", "--name", "Jean Dupont", "--subject", "Résultats", "--text", "Bonjour")


@pytest.fixture
def jean(server, tmp_path, letter):
    person = Terminal(tmp_path / "jean", server.url)
    person.run("account", "claim", "--link", letter["invitation_link"])
    return person


def texts(person: Terminal, conversation: str) -> list[str]:
    return [message["text"] for message in person.run("read", conversation)["messages"]]


def over(line: Line, person: Terminal) -> Terminal:
    return Terminal(person.home, line.url)


def swallow(verb: bytes, path: bytes):
    return lambda request: "swallow" if re.match(rb"%s \S*%s " % (verb, path), request) else None


def test_a_message_for_a_stopped_server_waits_and_is_sent_once(server, claire, jean, letter):
    conversation = letter["conversation"]
    server.stop()
    words = ("send", conversation, "--text", "Après la panne")
    assert jean.run(*words, code=5)["error"]["code"] == "network"
    server.start()
    jean.run(*words)
    assert texts(claire, conversation) == ["Bonjour", "Après la panne"]


def test_a_lost_answer_is_not_a_second_message(line, claire, jean, letter):
    conversation = letter["conversation"]
    words = ("send", conversation, "--text", "Une seule fois")
    line.rule = swallow(b"POST", b"/envelopes")
    assert over(line, jean).run(*words, code=5)["error"]["code"] == "network"
    sent = jean.run(*words)
    assert texts(claire, conversation) == ["Bonjour", "Une seule fois"]

    line.rule = swallow(b"POST", b"/envelopes")
    again = ("send", conversation, "--text", "Encore une seule fois")
    over(line, jean).run(*again, code=5)
    assert texts(jean, conversation)[-1] == "Encore une seule fois", "another command has delivered it"
    repeated = jean.run(*again)
    assert texts(claire, conversation) == ["Bonjour", "Une seule fois", "Encore une seule fois"]
    assert repeated["seq"] > sent["seq"]
    jean.run(*again)
    assert texts(claire, conversation).count("Encore une seule fois") == 2, "said again on purpose"


def test_a_lost_answer_is_not_a_second_account(server, line, tmp_path):
    link = server.add_professional("Anne Petit", "60", luhn("9999000002"))
    anne = Terminal(tmp_path / "anne", line.url)
    line.rule = swallow(b"POST", b"/v1/accounts")
    assert anne.run("account", "create", "--link", link, code=5)["error"]["code"] == "network"
    line.rule = swallow(b"POST", b"/v1/me/chain")
    anne.run("account", "create", "--link", link, code=5)
    line.rule = lambda _: None
    made = anne.run("account", "create", "--link", link)
    shown = anne.run("account", "show")
    assert (shown["account"], shown["verified"]) == (made["account"], True)
    recovered = Terminal(tmp_path / "anne-2", line.url)
    assert recovered.run("account", "recover", "--code", made["recovery_code"])["account"] == made["account"]


def test_a_lost_answer_is_not_a_used_invitation(line, claire, letter, tmp_path):
    jean = Terminal(tmp_path / "jean", line.url)
    line.rule = swallow(b"POST", b"/claim")
    words = ("account", "claim", "--link", letter["invitation_link"])
    assert jean.run(*words, code=5)["error"]["code"] == "network"
    line.rule = lambda _: None
    taken = jean.run(*words)
    assert texts(jean, letter["conversation"]) == ["Bonjour"]
    assert {m["account"] for m in claire.run("members", letter["conversation"])["members"]} >= {taken["account"]}


def test_a_lost_answer_is_not_a_second_conversation(line, claire):
    words = ("invite", "--name", "Paul", "--subject", "Suivi", "--text", "Bonjour Paul")
    line.rule = swallow(b"POST", b"/v1/conversations")
    assert over(line, claire).run(*words, code=5)["error"]["code"] == "network"
    (listed,) = claire.run("conversations")["conversations"]
    made = claire.run(*words)
    assert made["conversation"] == listed["id"]
    assert len(claire.run("conversations")["conversations"]) == 1
    assert made["invitation_link"].startswith(claire.url)
    assert made["invitation_code"]


def test_a_lost_answer_is_not_a_second_epoch(line, claire, jean, letter):
    conversation = letter["conversation"]
    account = next(m["account"] for m in claire.run("members", conversation)["members"] if m["role"] == "patient")
    line.rule = swallow(b"POST", b"/epochs")
    assert over(line, claire).run("members", conversation, "remove", account, code=5)["error"]["code"] == "network"
    assert claire.run("members", conversation, "remove", account)["epoch"] == 3
    assert jean.run("read", conversation, code=4)["error"]["code"] == "not_found"


def test_an_upload_that_is_cut_goes_on_where_it_was(line, claire, jean, letter, tmp_path):
    scan = tmp_path / "scanner.dcm"
    scan.write_bytes(os.urandom(9_000_000))
    cuts = iter([2_000_000, 1_000_000])
    line.rule = lambda request: next(cuts, None) if request.startswith(b"PATCH") else None
    over(line, claire).run("send", letter["conversation"], "--text", "Votre scanner", "--file", scan)
    assert line.sent < 2 * scan.stat().st_size, "what had arrived was not sent again"
    message = jean.run("read", letter["conversation"], "--save", tmp_path / "saved")["messages"][-1]
    saved = Path(message["attachments"][0]["path"]).read_bytes()
    assert hashlib.sha256(saved).digest() == hashlib.sha256(scan.read_bytes()).digest()
    assert list((claire.home / "transfer").iterdir()) == [], "no sealed copy stays behind"


def test_members_who_change_under_a_message_read_it_too(line, claire, jean, letter, server, tmp_path):
    conversation = letter["conversation"]
    karim = Terminal(tmp_path / "karim", server.url)
    made = karim.run("account", "create", "--link", server.add_professional("Karim", "21", luhn("9999000003")))
    changed = []

    def rule(request: bytes):
        if request.startswith(b"POST") and b"/envelopes" in request and not changed:
            changed.append(claire.run("members", conversation, "add", made["account"]))

    line.rule = rule
    over(line, jean).run("send", conversation, "--text", "Pour tout le monde")
    assert changed
    assert texts(karim, conversation) == ["Pour tout le monde"]
    assert texts(claire, conversation) == ["Bonjour", "Pour tout le monde"]


def test_commands_at_the_same_time_wait_for_each_other(claire, letter):
    said = [f"Message {number}" for number in range(4)]
    with ThreadPoolExecutor(4) as together:
        list(together.map(lambda text: claire.run("send", letter["conversation"], "--text", text), said))
    assert sorted(texts(claire, letter["conversation"])) == sorted(["Bonjour", *said])


def test_a_home_that_others_could_enter_is_refused(claire):
    claire.home.chmod(0o755)
    assert claire.run("conversations", code=2)["error"]["code"] == "home_unsafe"
    claire.home.chmod(0o700)
    (claire.home / "keys.key").chmod(0o644)
    assert claire.run("conversations", code=2)["error"]["code"] == "home_unsafe"


def test_a_passphrase_keeps_the_home_shut(letter, tmp_path, server):
    def run(*words: object, passphrase: str) -> subprocess.CompletedProcess[bytes]:
        command = [BIN / "pli-bridge", "--home", tmp_path / "shut", "--server", server.url, "--json", *words]
        environment = {**os.environ, "PLI_PASSPHRASE": passphrase}
        return subprocess.run(command, capture_output=True, check=False, env=environment, stdin=subprocess.DEVNULL)

    made = run("account", "claim", "--link", letter["invitation_link"], passphrase="grains de café")
    assert made.returncode == 0, made.stdout
    assert not (tmp_path / "shut" / "keys.key").exists()
    for wrong in ("grains de cafe", ""):
        shut = run("conversations", passphrase=wrong)
        assert (shut.returncode, b"wrong_passphrase" in shut.stdout) == (2, True)
    assert run("conversations", passphrase="grains de café").returncode == 0


def test_nothing_readable_lies_in_a_home(claire, jean, letter):
    marker = "Zanzibar-ordonnance-7731"
    jean.run("send", letter["conversation"], "--text", marker)
    texts(claire, letter["conversation"])
    for path in [*claire.home.rglob("*"), *jean.home.rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert marker.encode() not in content, path
            assert b"Bonjour" not in content, path


def test_a_web_server_that_is_not_pli_is_told_as_such(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
                client.close()

    threading.Thread(target=answer, daemon=True).start()
    person = Terminal(tmp_path / "home", f"http://127.0.0.1:{listener.getsockname()[1]}")
    code = "A" * 43
    error = person.run("account", "create", "--link", f"http://x/a#{code}", code=5)["error"]
    assert error["code"] == "bad_answer"
    listener.close()
