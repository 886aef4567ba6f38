"""`pli doctor`, `pli serve` and `/readyz` where PostgreSQL, Redis and S3 keep everything: what is wrong is said at once.

Each thing is broken for real, in a server of the test's own, and no secret comes out whatever is broken.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time

import asyncpg
import pytest
import redis as redis_client

from server.__main__ import main
from tests.fakes.server import laid_out
from tests.fakes.services import LockedS3, Postgres, Redis, at, fresh_postgres, of, own

pytestmark = pytest.mark.postgres
SECRET = "hunter2-of-a-test"  # what must never be printed
PATIENCE = 60  # seconds


@pytest.fixture
def data(tmp_path):
    """A node's own folder: the keys, and no SQLite file."""
    folder = shutil.copytree(laid_out(), tmp_path / "data")
    (folder / "pli.db").unlink()
    return folder


@pytest.fixture
def redis():
    service = own(Redis)
    yield service
    service.remove()


@pytest.fixture(scope="module")
def broken():
    """A PostgreSQL of this module's own, to break and mend."""
    service = own(Postgres)
    yield service
    service.remove()


@pytest.fixture
def doctor(data, monkeypatch, capsys):
    """Run `pli doctor` with these settings; how it ended, and its lines. Nothing it says holds a secret."""

    def run(**chosen):
        for name in ("DATABASE_URL", "REDIS_URL", "BLOBS_URL"):
            monkeypatch.setenv(f"PLI_{name}", chosen.get(name.lower(), ""))
        words = ["--data", str(data), "--no-web", "--port", "0", "--public-url", "https://care.example", "--json"]
        ended = main(["doctor", *words])
        told = capsys.readouterr()
        for secret in (SECRET, LockedS3.SECRET):
            assert secret not in told.out + told.err
        return ended, {check["name"]: check for check in json.loads(told.out)["checks"]}

    return run


def said(line):
    return line["verdict"], line["told"]


def test_a_sound_installation_elsewhere_needs_nothing(doctor, data, redis, shared, key):
    key("whole")
    database = fresh_postgres()
    ended, lines = doctor(database_url=database, redis_url=redis.url, blobs_url=at(shared))
    wanted = {"data folder", "keys of the server", "PostgreSQL", "Redis", "documents", "schema", "clock", "port"}
    assert {name: lines[name]["verdict"] for name in wanted} == dict.fromkeys(wanted, "ok")
    assert ended == 0
    assert not {"SQLite", "write-ahead log"} & set(lines)
    assert not (data / "pli.db").exists()


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def test_a_postgresql_that_cannot_be_reached(doctor):
    ended, lines = doctor(database_url=f"postgresql://pli:{SECRET}@127.0.0.1:1/pli")
    assert ended == 3
    told = lines["PostgreSQL"]
    assert (told["verdict"], "does not answer" in told["told"]) == ("fix", True), told
    assert said(lines["clock"]) == ("look", "not examined: see PostgreSQL and schema")


def test_addresses_whose_options_cannot_be_read(doctor, data, capsys):
    """The settings look at the address alone; each library knows its own options."""
    database, redis = f"{fresh_postgres()}?sslmode=sometimes", f"redis://:{SECRET}@127.0.0.1:1/0?socket_timeout=soon"
    ended, lines = doctor(database_url=database, redis_url=redis)
    assert ended == 3
    for name in ("PostgreSQL", "Redis"):
        assert (lines[name]["verdict"], "cannot be read" in lines[name]["told"]) == ("fix", True), lines[name]
    words = ["--data", str(data), "--no-web", "--port", "0", "--database-url"]
    assert main(["serve", *words, database, "--redis-url", redis]) == 5
    assert "does not let us in" in capsys.readouterr().err
    assert main(["serve", *words, fresh_postgres(), "--redis-url", redis]) == 2
    told = capsys.readouterr().err
    assert ("PLI_REDIS_URL cannot be read" in told, SECRET in told) == (True, False)


def test_the_way_to_postgresql_may_ask_for_a_cipher(data, monkeypatch, capsys):
    """`?sslmode=` is PostgreSQL's own way to say so; the server of this test has no certificate."""
    database = fresh_postgres()
    for mode, ends in (("prefer", 0), ("require", 5)):
        monkeypatch.setenv("PLI_DATABASE_URL", f"{database}?sslmode={mode}")
        for command in ("init", "migrate"):
            assert main([command, "--data", str(data), "--json"]) == ends, (mode, command)
            assert ("database_refused" in capsys.readouterr().out) == (ends == 5)


@pytest.mark.parametrize("command", ["init", "migrate"])
def test_a_command_that_postgresql_refuses_says_so(data, monkeypatch, capsys, command):
    """In our own words: its may hold an address, and "nothing was left half-done" is about disks."""
    for address in (f"postgresql://pli:{SECRET}@127.0.0.1:1/pli", of(Postgres).url("nowhere")):
        monkeypatch.setenv("PLI_DATABASE_URL", address)
        assert main([command, "--data", str(data), "--json"]) == 5
        told = capsys.readouterr()
        assert json.loads(told.out)["error"]["code"] == "database_refused"
        assert "does not answer, or does not let us in" in told.err
        assert SECRET not in told.out + told.err


def test_a_database_that_is_not_there_or_empty(doctor):
    postgres = of(Postgres)
    _, lines = doctor(database_url=postgres.url("nowhere"))
    assert "CREATE DATABASE" in lines["PostgreSQL"]["told"]
    ended, lines = doctor(database_url=postgres.url(postgres.database()))
    assert said(lines["PostgreSQL"]) == ("ok", "")
    assert (lines["schema"]["verdict"], "pli migrate" in lines["schema"]["told"]) == ("look", True)
    assert ended == 0


def test_a_schema_of_the_past_and_one_of_the_future(doctor, data, monkeypatch, capsys):
    database = fresh_postgres()
    _execute(database, "UPDATE alembic_version SET version_num = '9999'")
    ended, lines = doctor(database_url=database)
    assert (ended, lines["schema"]["verdict"], "newer version of Pli" in lines["schema"]["told"]) == (3, "fix", True)
    empty = of(Postgres).url(of(Postgres).database())
    monkeypatch.setenv("PLI_DATABASE_URL", empty)
    assert main(["migrate", "--data", str(data), "--json"]) == 0, "what the doctor advises can be done"
    capsys.readouterr()
    assert doctor(database_url=empty)[1]["schema"]["verdict"] == "ok"


def test_a_postgresql_that_loses_what_it_acknowledges(doctor, broken):
    broken.sql("ALTER SYSTEM SET fsync = off")
    broken.sql("SELECT pg_reload_conf()")
    deadline = time.monotonic() + PATIENCE
    while broken.sql("SHOW fsync") != "off":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        ended, lines = doctor(database_url=broken.url())
        assert (ended, lines["PostgreSQL"]["verdict"], "fsync" in lines["PostgreSQL"]["told"]) == (3, "fix", True)
    finally:
        broken.sql("ALTER SYSTEM RESET fsync")
        broken.sql("SELECT pg_reload_conf()")


def test_a_postgresql_that_refuses_the_password(doctor, broken):
    broken.sql(f"CREATE ROLE locked LOGIN PASSWORD '{SECRET}'")
    rules = broken.folder / "data" / "pg_hba.conf"
    rules.write_text("host all locked 127.0.0.1/32 scram-sha-256\nhost all pli 127.0.0.1/32 trust\n")
    broken.sql("SELECT pg_reload_conf()")
    address = f"postgresql://locked:{{}}@127.0.0.1:{broken.port}/postgres"
    deadline = time.monotonic() + PATIENCE
    while (lines := doctor(database_url=address.format("wrong"))[1])["PostgreSQL"]["verdict"] == "ok":
        assert time.monotonic() < deadline
    assert "refuses the password" in lines["PostgreSQL"]["told"]
    assert doctor(database_url=address.format(SECRET))[1]["PostgreSQL"]["verdict"] == "ok"
    stranger = address.replace("locked", "stranger").format(SECRET)
    assert "pg_hba.conf" in doctor(database_url=stranger)[1]["PostgreSQL"]["told"]


def _execute(url, statement):
    async def run():
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


# --- Redis ------------------------------------------------------------------------------------------------------------


def test_a_redis_that_refuses_or_is_gone(doctor, redis):
    database = fresh_postgres()

    def line(url):
        ended, lines = doctor(database_url=database, redis_url=url)
        assert (ended == 0) == (lines["Redis"]["verdict"] == "ok")
        return lines["Redis"]["told"]

    with redis_client.Redis.from_url(redis.url) as open_to_all:
        open_to_all.execute_command("ACL", "SETUSER", "mute", "on", f">{SECRET}", "+ping", "+client", "~*")
        open_to_all.config_set("requirepass", SECRET)
    locked = redis.url.replace("127.0.0.1", "{}127.0.0.1")
    assert line(locked.format(f":{SECRET}@")) == ""
    assert "password" in line(locked.format(""))
    assert "password" in line(locked.format(":wrong@"))
    assert "ACL SETUSER" in line(locked.format(f"mute:{SECRET}@"))
    redis.kill()
    assert "does not answer" in line(locked.format(f":{SECRET}@"))


# --- the bucket -------------------------------------------------------------------------------------------------------

WRONG = [
    ("whole", SECRET, "documents", "refuses the key (SignatureDoesNotMatch)"),
    ("nobody", SECRET, "documents", "refuses the key (InvalidAccessKeyId)"),
    ("whole", LockedS3.SECRET, "elsewhere", "no such bucket"),
    ("reader", LockedS3.SECRET, "documents", "refuses the key (AccessDenied)"),
]


@pytest.mark.parametrize(("name", "secret", "documents", "words"), WRONG)
def test_a_bucket_that_refuses_is_said_and_not_served(
    doctor, data, shared, key, capsys, monkeypatch, name, secret, documents, words
):
    key(name, secret)
    database = fresh_postgres()
    for _ in range(2):  # asking has not made the bucket
        ended, lines = doctor(database_url=database, blobs_url=at(shared, documents))
        assert (ended, lines["documents"]["verdict"], words in lines["documents"]["told"]) == (3, "fix", True), lines
    monkeypatch.setenv("PLI_DATABASE_URL", database)
    monkeypatch.setenv("PLI_BLOBS_URL", at(shared, documents))
    assert main(["serve", "--data", str(data), "--no-web", "--port", "0"]) == 5
    told = capsys.readouterr().err
    assert words in told
    assert "PLI_BLOBS_URL" in told
    assert "Traceback" not in told
    assert not any(word in told for word in (SECRET, LockedS3.SECRET, "ready http"))


def test_a_bucket_that_is_away_is_said_by_the_doctor(doctor, key):
    key("whole")
    ended, lines = doctor(blobs_url="s3://documents?endpoint=http://127.0.0.1:1&region=here", database_url="")
    assert (ended, "does not answer" in lines["documents"]["told"]) == (3, True)


def test_an_address_without_a_bucket(doctor, data, capsys, monkeypatch, key):
    key("whole")
    assert "names no bucket" in doctor(blobs_url="s3://?region=here")[1]["documents"]["told"]
    monkeypatch.setenv("PLI_DATABASE_URL", fresh_postgres())
    assert main(["serve", "--data", str(data), "--no-web", "--port", "0"]) == 5
    assert "names no bucket" in capsys.readouterr().err
