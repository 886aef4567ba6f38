"""``pli-bridge agenda busy``: every calendar we have, against an independent reader, in a child that can do nothing."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridges.agenda.calendar.reading import Query, read
from bridges.agenda.calendar.reasons import REASONS, SKIPS
from bridges.agenda.calendar.sandbox import Sandbox
from tests.fakes import agendas

ROOT = Path(__file__).resolve().parents[2]
CORPORA = ROOT.parent / "shared/corpora"
needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="the shared corpora are not beside this repository")

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def run(path: Path, *more: str) -> tuple[int, dict, str]:
    window = more or ("--from", "2026-07-01", "--to", "2026-08-01", "--zone", "Europe/Paris")
    done = subprocess.run(
        [sys.executable, "-m", "bridges", "agenda", "busy", str(path), *window, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def calendar(body: str) -> str:
    event = f"BEGIN:VEVENT\r\nUID:e\r\nDTSTAMP:20260101T000000Z\r\n{body}\r\nEND:VEVENT\r\n"
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event}END:VCALENDAR\r\n"


def test_the_answer_at_the_terminal(tmp_path):
    path = tmp_path / "a.ics"
    path.write_text(
        calendar("DTSTART:20260701T080000\r\nDURATION:PT1H")
        + calendar("DTSTART:20260701T063000Z\r\nDURATION:PT1H")
        + calendar("DTSTART:20260702T063000Z\r\nRRULE:FREQ=SECONDLY")
    )
    code, told, _ = run(path)
    assert code == 0
    assert told == {
        "busy": [["2026-07-01T06:00:00Z", "2026-07-01T07:30:00Z"]],
        "skipped": [{"uid": "e", "reason": "too_frequent"}],
    }
    code, told, _ = run(path, "--from", "2026-07-01T08:15", "--to", "2026-07-01T08:20+02:00", "--zone", "Europe/Paris")
    assert told["busy"] == [["2026-07-01T06:15:00Z", "2026-07-01T06:20:00Z"]]


@pytest.mark.parametrize(
    ("window", "code"),
    [
        (("--from", "2026-07-01", "--to", "2026-08-01", "--zone", "Mars/Olympus"), "usage"),
        (("--from", "2026-07-01", "--to", "2026-08-01", "--zone", "../../etc/passwd"), "usage"),
        (("--from", "2026-07-01", "--to", "2026-08-01", "--zone", "localtime"), "usage"),
        (("--from", "2026-07-01", "--to", "2026-08-01", "--zone", "right/UTC"), "usage"),
        (("--from", "2026-07-01", "--to", "2026-07-01", "--zone", "UTC"), "usage"),
        (("--from", "2026-08-01", "--to", "2026-07-01", "--zone", "UTC"), "usage"),
        (("--from", "yesterday", "--to", "2026-07-01", "--zone", "UTC"), "usage"),
        (("--from", "0001-01-01", "--to", "9999-12-31", "--zone", "Europe/Paris"), "usage"),
    ],
)
def test_a_wrong_question_is_refused_in_words(tmp_path, window, code):
    (tmp_path / "a.ics").write_text(calendar("DTSTART:20260701T080000"))
    exit_code, told, error = run(tmp_path / "a.ics", *window)
    assert (exit_code, told["error"]["code"]) == (2, code)
    assert "Traceback" not in error


def test_a_file_that_is_no_calendar_is_no_free_time(tmp_path):
    (tmp_path / "a.ics").write_text("<html>please log in</html>")
    code, told, _ = run(tmp_path / "a.ics")
    assert code == 3
    assert told == {"busy": [], "skipped": [{"uid": "", "reason": "not_a_calendar"}]}
    code, told, _ = run(tmp_path / "missing.ics")
    assert (code, told["error"]["code"]) == (2, "file_unreadable")


def test_a_pipe_is_read_while_somebody_writes_and_not_waited_for_without_end(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code, told, error = run(pipe)
    assert (code, told["error"]["code"], told["error"]["path"]) == (2, "file_unreadable", str(pipe))
    assert "Traceback" not in error
    read, write = os.pipe()
    os.write(write, calendar("DTSTART:20260701T080000\r\nDURATION:PT1H").encode())
    os.close(write)
    window = ("--from", "2026-07-01", "--to", "2026-08-01", "--zone", "UTC", "--json")
    command = [sys.executable, "-m", "bridges", "agenda", "busy", "/dev/stdin", *window]
    done = subprocess.run(command, cwd=ROOT, stdin=read, capture_output=True, timeout=60)
    os.close(read)
    assert json.loads(done.stdout)["busy"] == [["2026-07-01T08:00:00Z", "2026-07-01T09:00:00Z"]]
    code, told, _ = run(Path("/dev/zero"))
    assert (code, told["skipped"]) == (3, [{"uid": "", "reason": "too_large"}])


@pytest.mark.parametrize(("redirect", "code"), [(">/dev/full", 2), (">&-", 0), (">&- 2>&-", 0)])
def test_an_answer_that_cannot_be_written_is_no_traceback(tmp_path, redirect, code):
    path = tmp_path / "a.ics"
    path.write_text(calendar("DTSTART:20260701T080000"))
    words = f"agenda busy {path} --from 2026-07-01 --to 2026-08-01 --zone UTC --json"
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m bridges {words} {redirect}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert ("file_unreadable" in done.stderr) is (code == 2)


def hostile(folder: Path) -> list[Path]:
    """Files that are made to cost, each in its own way."""
    seconds = "DTSTART:20000101T000000Z\r\nDURATION:PT1S\r\n"
    made = {
        "every-hour-of-each-day": calendar(f"{seconds}RRULE:FREQ=HOURLY;BYMINUTE={','.join(map(str, range(60)))}"),
        "nowhere": calendar(f"{seconds}RRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYMONTHDAY=1;BYMONTH=2"),
        "positions": calendar(f"{seconds}RRULE:FREQ=YEARLY;BYYEARDAY={','.join(map(str, range(1, 367)))};BYSETPOS=-1"),
        "many-rules": calendar(seconds + "RRULE:FREQ=DAILY;COUNT=99999999;BYHOUR=1,2,3\r\n" * 3000),
        "many-exceptions": calendar(seconds + "RRULE:FREQ=DAILY\r\n" + "EXDATE:20260101T000000Z\r\n" * 60_000),
        "no-colon": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART" + ";X=" * 500_000,
        "one-line": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:" + "x" * 9_000_000,
        "folds": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:" + "\r\n " * 3_000_000,
        "quotes": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART" + ';TZID="' * 300_000 + ":1",
        "overrides": "".join(
            calendar(f"RECURRENCE-ID:2026{n % 12 + 1:02}01T{n % 24:02}0000Z\r\n{seconds}") for n in range(9000)
        ),
        "zones": "BEGIN:VCALENDAR\r\n"
        + "".join(
            f"BEGIN:VTIMEZONE\r\nTZID:Z{n}\r\n"
            + "BEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=DAILY\r\nEND:STANDARD\r\n"
            * 20
            + f"END:VTIMEZONE\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Z{n}:20260701T000000\r\nEND:VEVENT\r\n"
            for n in range(500)
        ),
        "far": calendar("DTSTART:20260101T000000Z\r\nDURATION:P99999D\r\nRRULE:FREQ=DAILY"),
    }
    paths = []
    for name, text in made.items():
        paths.append(folder / f"{name}.ics")
        paths[-1].write_text(text)
    paths.append(folder / "bytes.ics")
    paths[-1].write_bytes(bytes(range(256)) * 4000)
    return paths


async def test_every_hostile_calendar_has_an_outcome_in_time_and_memory(tmp_path):
    paths = hostile(tmp_path) + (sorted(CORPORA.rglob("*.ics")) if CORPORA.is_dir() else [])
    late = []
    async with Sandbox() as sandbox:
        for path in paths:
            answer = await sandbox.read(path.read_bytes(), Query(start=START, end=END, zone="Europe/Paris"))
            assert answer.reading.reason in REASONS | {None}
            assert answer.reading.reason != "reader_died", path.name
            assert {each.reason for each in answer.reading.skipped} <= SKIPS
            assert answer.peak_mib < 256, path.name
            if answer.reading.reason == "too_slow":
                late.append(path.name)
    # Killed by the clock is an outcome too, but only of files that were made for it.
    assert set(late) <= {path.name for path in paths if path.is_relative_to(tmp_path)}


async def test_a_zone_with_an_endless_name_costs_its_own_event_only():
    raw = calendar(f"DTSTART;TZID={'a' * 300_000}:20260701T080000\r\nDURATION:PT1H").encode()
    async with Sandbox(patient=True) as sandbox:
        answer = await sandbox.read(raw, Query(start=START, end=END, zone="Europe/Paris"))
    assert (answer.reading.reason, [each.reason for each in answer.reading.skipped]) == (None, ["unknown_zone"])


async def test_the_long_calendar_of_a_practice_is_read_by_the_bridge(tmp_path):
    start = datetime(2019, 1, 1, 8)
    one = "BEGIN:VEVENT\r\nUID:{0}\r\nDTSTART;TZID=Europe/Paris:{1:%Y%m%dT%H%M%S}\r\nDURATION:PT20M\r\nSUMMARY:x\r\nEND:VEVENT\r\n"
    text = "".join(one.format(n, start + timedelta(hours=3 * n)) for n in range(22_000))
    raw = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{text}END:VCALENDAR\r\n".encode()
    async with Sandbox(patient=True) as sandbox:
        answer = await sandbox.read(raw, Query(start=START, end=START + timedelta(days=60), zone="Europe/Paris"))
    assert (answer.reading.reason, len(answer.reading.busy)) == (None, 480)
    assert answer.peak_mib < 256


@needs_corpora
async def test_the_generated_calendars_end_as_their_list_says():
    wanted = {
        "rrule-secondly": "too_frequent",
        "rrule-count-1e9": "too_frequent",
        "rrule-interval-0": "rule_broken",
        "tz-missing": "unknown_zone",
    }
    async with Sandbox() as sandbox:
        for path in sorted((CORPORA / "generated/ics").glob("*.ics")):
            answer = await sandbox.read(path.read_bytes(), Query(start=START, end=END, zone="Europe/Paris"))
            assert answer.reading.reason is None
            assert [each.reason for each in answer.reading.skipped] == [
                reason for name, reason in wanted.items() if name == path.stem
            ], path.name


async def test_the_child_has_no_rights_and_nothing_of_our_environment(monkeypatch):
    monkeypatch.setenv("PLI_PASSPHRASE", "secret words")
    async with Sandbox() as sandbox:
        await sandbox.read(calendar("DTSTART:20260701T080000").encode(), Query(start=START, end=END, zone="UTC"))
        process = Path(f"/proc/{sandbox._child.pid}")
        assert b"PLI_PASSPHRASE" not in (process / "environ").read_bytes()
        allowed = {line[:25].strip(): line[25:].split()[0] for line in (process / "limits").read_text().splitlines()}
        assert (allowed["Max open files"], allowed["Max file size"]) == ("0", "0")
        assert int(allowed["Max address space"]) == 256 * 2**20
        os.kill(sandbox._child.pid, 9)
        answer = await sandbox.read(b"", Query(start=START, end=END, zone="UTC"))
        assert answer.reading.reason in {"reader_died", "not_a_calendar"}


# --- against an independent reader ----------------------------------------------------------------------------------

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


@st.composite
def rules(draw) -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 5))}")
    if frequency in {"MONTHLY", "YEARLY"} and draw(st.booleans()):
        ordinals = draw(
            st.lists(st.tuples(st.sampled_from([-2, -1, 1, 2, 3, 5]), st.sampled_from(DAYS)), min_size=1, max_size=3)
        )
        parts.append("BYDAY=" + ",".join(f"{nth}{day}" for nth, day in ordinals))
    elif draw(st.booleans()):
        parts.append("BYDAY=" + ",".join(draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True))))
    if frequency in {"MONTHLY", "YEARLY"} and draw(st.booleans()):
        parts.append(
            "BYMONTHDAY="
            + ",".join(map(str, draw(st.lists(st.sampled_from([1, 15, 29, 30, 31, -1, -7]), min_size=1, max_size=3))))
        )
    if draw(st.integers(0, 3)) == 0:
        parts.append(
            "BYMONTH=" + ",".join(map(str, draw(st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True))))
        )
    if draw(st.integers(0, 4)) == 0:
        parts.append("BYHOUR=8,14")
    if len(parts) > 2 and frequency != "DAILY" and draw(st.integers(0, 4)) == 0:
        parts.append(f"BYSETPOS={draw(st.sampled_from([1, -1, 2]))}")
    if draw(st.integers(0, 4)) == 0:
        parts.append("WKST=SU")
    end = draw(st.sampled_from(["", "COUNT", "UNTIL"]))
    if end == "COUNT":
        parts.append(f"COUNT={draw(st.integers(1, 400))}")
    elif end == "UNTIL":
        parts.append(f"UNTIL=2026{draw(st.integers(1, 12)):02}{draw(st.integers(1, 28)):02}T000000Z")
    return ";".join(parts)


ZONES = ["Europe/Paris", "America/Miquelon", "Pacific/Marquesas", "UTC"]


@st.composite
def events(draw) -> str:
    """An event by day: the independent reader adds an hour on the wall, which is wrong in the night the clocks change."""
    start = datetime(2019, 1, 1) + timedelta(
        days=draw(st.integers(0, 2900)), hours=draw(st.integers(4, 15)), minutes=30
    )
    zone = draw(st.sampled_from([*ZONES, ""]))
    stamp = f";TZID={zone}" if zone else ""
    lines = [
        f"DTSTART{stamp}:{start:%Y%m%dT%H%M%S}",
        f"DURATION:PT{draw(st.integers(1, 480))}M",
        f"RRULE:{draw(rules())}",
    ]
    if draw(st.booleans()):
        gone = start + timedelta(days=draw(st.integers(1, 400)))
        lines.append(f"EXDATE{stamp}:{gone:%Y%m%dT%H%M%S}")
    if draw(st.booleans()):
        extra = datetime(2026, draw(st.integers(1, 12)), draw(st.integers(1, 28)), 3, 10)
        lines.append(f"RDATE{stamp}:{extra:%Y%m%dT%H%M%S}")
    return "\r\n".join(lines)


@pytest.fixture(scope="module")
def expander():
    with agendas.Expander() as started:
        yield started


@agendas.needs_peers
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(body=events(), month=st.integers(1, 11))
@example(body="DTSTART;TZID=Europe/Paris:20250101T023000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY", month=3)
@example(body="DTSTART;VALUE=DATE:20260105\r\nDURATION:P1D\r\nRRULE:FREQ=WEEKLY;BYDAY=MO", month=3)
def test_busy_is_what_an_independent_reader_says(expander, body, month):
    start, end = datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month + 1, 14, tzinfo=UTC)
    ours = read(calendar(body).encode(), Query(start=start, end=end, zone="Europe/Paris"))
    assert ours.skipped == []
    # The start of an event is busy even where its rule misses it; the independent reader leaves it out then.
    alone = calendar("\r\n".join(body.split("\r\n")[:2])).partition("PRODID:x\r\n")[2].replace("UID:e", "UID:alone")
    theirs = expander.busy(calendar(body).removesuffix("END:VCALENDAR\r\n") + alone, start, end, "Europe/Paris")
    assert list(map(tuple, ours.busy)) == theirs
