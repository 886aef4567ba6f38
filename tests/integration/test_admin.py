"""The operator's program, run as a program: what it makes, what it refuses, how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import urllib.request

import pysqlite3.dbapi2 as sqlite3
import pytest

PLI = [sys.executable, "-m", "server"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PLI_")}
PERSON = ["--name", "Dr Claire Martin", "--profession", "10", "--rpps", "99999000013"]


def pli(*arguments, **environ):
    done = subprocess.run(
        [*PLI, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, env=CLEAN | environ
    )
    answer = json.loads(done.stdout) if "--json" in arguments and done.stdout else None
    return done, answer


@contextlib.contextmanager
def serving(data, *more, **environ):
    """Run ``pli serve`` until it says that it is ready; yield its address and the process."""
    command = [*PLI, "serve", "--data", str(data), "--port", "0", "--no-web", *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=CLEAN | environ)
    try:
        for line in process.stderr:
            if line.startswith("ready "):
                break
        else:
            pytest.fail("never ready")
        yield line.removeprefix("ready ").strip(), process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=20)
        process.stderr.close()


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    """A data folder to copy: laying one out anew for each test takes a second."""
    folder = tmp_path_factory.mktemp("laid-out") / "data"
    assert pli("init", "--data", folder)[0].returncode == 0
    return folder


@pytest.fixture
def data(laid_out, tmp_path):
    return shutil.copytree(laid_out, tmp_path / "data")


# --- init --------------------------------------------------------------------------------------------------------------


def test_init_makes_a_folder_that_only_its_owner_can_read_and_changes_nothing_the_second_time(tmp_path):
    data = tmp_path / "new" / "data"
    done, first = pli("init", "--data", data, "--json")
    assert done.returncode == 0
    for path in [data, *data.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert pli("init", "--data", data, "--json")[1] == first


def test_init_reads_the_folder_from_the_environment(tmp_path):
    assert pli("init", PLI_DATA=str(tmp_path / "x"))[0].returncode == 0
    assert (tmp_path / "x" / "server.key").is_file()


# --- serve -------------------------------------------------------------------------------------------------------------


def test_serve_says_when_it_is_ready_and_ends_in_order(data):
    with serving(data) as (url, process):
        assert get(f"{url}/readyz") == (200, {"status": "ok"})
        assert get(f"{url}/healthz") == (200, {"status": "ok"})
        assert get(f"{url}/v1/server")[1]["demo"] is False
        process.terminate()
        assert process.wait(timeout=20) == 0
    assert not (data / "admin.sock").exists()


def test_an_open_connection_does_not_keep_the_server_from_ending(data):
    with serving(data) as (url, process):
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        connection.close()


def test_a_folder_has_one_server(data):
    with serving(data) as (url, process):
        done, answer = pli("init", "--data", data, "--json")
        assert (done.returncode, answer["error"]["code"]) == (3, "data_in_use")
        assert str(process.pid) in answer["error"]["message"]
        second = subprocess.run(
            [*PLI, "serve", "--data", data, "--port", "0", "--no-web"], capture_output=True, timeout=30, check=False
        )
        assert second.returncode == 3
        assert get(f"{url}/readyz")[0] == 200


def test_a_server_that_was_killed_leaves_nothing_in_the_way(data):
    with serving(data) as (_, process):
        process.kill()
        process.wait(timeout=20)
    with serving(data) as (url, _):
        assert get(f"{url}/readyz")[0] == 200
        assert pli("admin", "professional", "add", "--data", data, *PERSON)[0].returncode == 0


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "status"),
    [
        (["serve", "--data", "{empty}", "--no-web"], {}, "not_initialised", 3),
        (["serve", "--data", "{data}", "--no-web", "--port", "99999"], {}, "settings", 2),
        (["serve", "--data", "{data}", "--no-web", "--host", "192.0.2.1"], {}, "cannot_listen", 5),
        (["serve", "--data", "{data}"], {"PLI_PROT": "1"}, "settings", 2),
        (["serve", "--nonsense"], {}, "usage", 2),
        ([], {}, "usage", 2),
        (["admin", "professional", "add", "--data", "{data}"], {}, "usage", 2),
        (["admin", "professional", "add", "--data", "{empty}", *PERSON], {}, "not_initialised", 3),
        (["demo", "--data", "{data}", "--no-web"], {}, "demo_failed", 5),
    ],
)
def test_what_cannot_be_done_is_said_in_words_with_a_code_and_a_status(
    data, tmp_path, arguments, environ, code, status
):
    (tmp_path / "empty").mkdir()
    places = {"data": data, "empty": tmp_path / "empty"}
    done, answer = pli(*(part.format(**places) for part in arguments), "--json", **environ)
    assert (done.returncode, answer["error"]["code"]) == (status, code)
    assert answer["error"]["message"]
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said_so(data):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done, answer = pli("serve", "--data", data, "--no-web", "--port", port, "--json")
    assert (done.returncode, answer["error"]["code"]) == (5, "cannot_listen")


def test_no_header_tells_the_versions_of_the_machinery(data):
    with serving(data) as (url, _), urllib.request.urlopen(f"{url}/v1/server", timeout=10) as answer:
        assert answer.headers["Server"] == "Pli"


# --- admin -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False])
def test_a_professional_gets_a_link_whether_the_server_runs_or_not(data, running):
    with serving(data, "--public-url", "https://care.example") if running else contextlib.nullcontext():
        done, answer = pli(
            "admin", "professional", "add", "--data", data, *PERSON, "--json", PLI_PUBLIC_URL="https://care.example"
        )
    assert done.returncode == 0
    link = re.fullmatch(r"https://care\.example/a#([\w-]{43})", answer["activation_link"])
    assert link
    with serving(data) as (url, _):
        told = get(f"{url}/v1/activations/{link.group(1)}")[1]
    assert (told["name"], told["profession"], told["identifier"]) == ("Dr Claire Martin", "10", "99999000013")


WRONG = [["--rpps", "99999000014"], ["--rpps", "123"], ["--profession", "doctor"], ["--name", "\n"]]


@pytest.mark.parametrize("running", [True, False])
def test_what_cannot_stand_in_a_certificate_is_refused(data, running):
    with serving(data) if running else contextlib.nullcontext():
        for wrong in WRONG[:2] if running else WRONG[2:]:
            done, answer = pli("admin", "professional", "add", "--data", data, *PERSON, *wrong, "--json")
            assert (done.returncode, answer["error"]["code"]) == (2, "bad_request"), wrong


def test_the_operators_socket_is_the_owners_alone_even_in_a_deep_folder(laid_out, tmp_path):
    data = shutil.copytree(laid_out, tmp_path / ("a" * 60) / ("b" * 60) / "data")
    with serving(data):
        assert stat.S_IMODE((data / "admin.sock").stat().st_mode) == 0o600
        assert pli("admin", "professional", "add", "--data", data, *PERSON)[0].returncode == 0


# --- what survives kill -9 ---------------------------------------------------------------------------------------------


def test_an_activation_that_was_told_survives_kill_9(data):
    with serving(data) as (_, process):
        link = pli("admin", "professional", "add", "--data", data, *PERSON, "--json")[1]["activation_link"]
        process.kill()
        process.wait(timeout=20)
    with serving(data) as (url, _):
        assert get(f"{url}/v1/activations/{link.split('#')[1]}")[0] == 200


# --- demo --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def demonstrating(data, *more):
    command = [*PLI, "demo", "--data", str(data), "--port", "0", "--no-web", "--json", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=CLEAN)
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
        process.stdout.close()


def bridge(home, url, *arguments):
    command = [sys.executable, "-m", "bridges", "--home", str(home), "--server", url, "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=CLEAN)
    return json.loads(done.stdout)


def test_the_demonstration_is_a_letter_that_its_three_people_can_open(tmp_path):
    data = tmp_path / "demo"
    with demonstrating(data) as (links, _):
        url = links["url"]
        assert get(f"{url}/v1/server")[1]["demo"] is True
        jean = bridge(tmp_path / "jean", url, "account", "claim", "--code", links["invitation_code"])
        read = bridge(tmp_path / "jean", url, "read", jean["conversations"][0], "--save", str(tmp_path / "documents"))
        (letter,) = [message for message in read["messages"] if message["type"] == "text"]
        assert letter["author"]["name"] == "Dr Claire Martin (démo)"
        assert letter["author"]["verified"] is True
        assert (tmp_path / "documents" / letter["attachments"][0]["name"]).read_bytes().startswith(b"%PDF-1.4")
        for who in ("doctor", "pharmacist"):
            place, code = links[who].split("/u#")
            assert place == url
            assert bridge(tmp_path / who, url, "account", "recover", "--code", code)["account"]
    with demonstrating(data) as (again, _):
        assert {name: link.split("#")[-1] for name, link in again.items() if name != "url"} == {
            name: link.split("#")[-1] for name, link in links.items() if name != "url"
        }
    (data / "story.json").write_text("{")  # as if it had been interrupted
    with demonstrating(data) as (fresh, _):
        assert fresh["invitation_code"] != links["invitation_code"]


def test_a_demonstration_that_runs_is_not_swept_away_by_a_fresh_one(tmp_path):
    data = tmp_path / "demo"
    with demonstrating(data) as (links, _):
        done, _ = pli("demo", "--data", data, "--fresh", "--no-web")
        assert done.returncode == 5
        assert "uses this data folder" in done.stderr
        assert bridge(tmp_path / "jean", links["url"], "account", "claim", "--code", links["invitation_code"])


def test_a_demonstration_on_a_busy_port_says_so_and_what_to_do(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done, _ = pli("demo", "--data", tmp_path / "demo", "--port", port, "--no-web")
    assert done.returncode == 5
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "another --port" in done.stderr
    assert "--fresh" not in done.stderr


def test_a_demonstration_is_reached_by_a_name_since_passkeys_need_one(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with demonstrating(tmp_path / "demo", "--port", str(port)) as (links, _):
        assert links["url"] == f"http://localhost:{port}"
        assert links["doctor"].startswith(links["url"])


def test_a_demonstration_never_replaces_real_data(data):
    before = sorted(path.name for path in data.rglob("*"))
    done, _ = pli("demo", "--data", data, "--fresh", "--no-web")
    assert done.returncode == 5
    assert sorted(path.name for path in data.rglob("*")) == before
    with contextlib.closing(sqlite3.connect(data / "pli.db")) as database:
        assert database.execute("SELECT count(*) FROM account").fetchone() == (0,)
