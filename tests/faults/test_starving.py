"""A machine that lets nobody run is told apart from a server that stands still; and a dead process from a living one."""

from __future__ import annotations

import asyncio
import os
import platform
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults import campaign, starving
from tests.faults.campaign import Server
from tests.faults.checker import check
from tests.faults.devices import Stage
from tests.faults.history import History
from tests.faults.test_checker import honest

SPIN = "import time\nuntil = time.process_time() + {}\nwhile time.process_time() < until: pass"


def level(late: float, starved: float) -> list[str]:
    """Judge an honest history in which a follower has everything ``late`` seconds after the faults."""
    records = honest()
    for record in records:
        if record["e"] == "calm":
            record["starved"] = 7.0
            since = record["t"]
        if record["e"] == "level":
            record |= {"t": since + late, "starved": 7.0 + starved}
    return [breach.promise for breach in check(History(records))]


def test_a_follower_is_late_only_by_the_time_in_which_somebody_could_have_run():
    assert level(late=9, starved=0) == []
    assert level(late=11, starved=0) == ["P10"]
    assert level(late=60, starved=55) == []
    assert level(late=60, starved=45) == ["P10"]


def test_processes_that_share_one_processor_wait_for_each_other():
    here = os.sched_getaffinity(0)
    alone = {min(here)}
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN.format(60)]) for _ in range(2)]
    try:
        for each in spinning:
            os.sched_setaffinity(each.pid, alone)
        while starving.waited([each.pid for each in spinning]) < 0.3:
            assert all(each.poll() is None for each in spinning), "nobody waited"
    finally:
        for each in spinning:
            each.kill()
            each.wait()
    assert starving.waited([each.pid for each in spinning]) == 0


async def stuck(starved: Any, monkeypatch: pytest.MonkeyPatch, later: float) -> list[Any]:
    """Wait for somebody who never ends, 0.2 s long beside what the machine owes; tell whether that was ``later``."""
    monkeypatch.setattr(campaign, "STUCK", 0.2)
    nothing = cast("Any", SimpleNamespace(conversations={}))
    stage = Stage(nothing, History(), random.Random(1), [], starved=starved)
    endless = asyncio.ensure_future(asyncio.sleep(3600))
    asyncio.get_running_loop().call_later(later, stage.count, "later")
    await campaign._finish([endless], stage, "somebody")
    endless.cancel()
    return [len(stage.history.of("stuck")), "later" in stage.counts]


async def test_who_stands_still_is_named_and_who_may_not_run_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    assert await stuck(lambda: 0.0, monkeypatch, later=30) == [1, False]
    begun = asyncio.get_running_loop().time()
    never_ran = lambda: min(1.0, asyncio.get_running_loop().time() - begun)  # noqa: E731
    assert await stuck(never_ran, monkeypatch, later=0.6) == [1, True]


async def test_a_killed_server_that_nobody_counts_any_more_is_gone():
    """Its fork server was killed: what is left is a zombie, for which ``kill`` once waited without end."""
    child = subprocess.Popen([sys.executable, "-c", SPIN.format(60)])  # not waited for: it stays as a zombie
    server = Server(Path(), cast("Any", None), port=1, pid=child.pid)
    async with asyncio.timeout(20):
        await server.kill()
    assert server.pid == 0
    assert child.wait() == -signal.SIGKILL


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of a system call")
def test_a_process_whose_first_thread_has_ended_still_lives():
    """Its files and locks are those of all threads: who starts the next server sooner finds the folder in use."""
    many = "import ctypes, threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    many += "print('there', flush=True)\nctypes.CDLL(None).syscall(60, 0)"  # exit of this thread alone
    child = subprocess.Popen([sys.executable, "-c", many], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert child.poll() is None
        assert starving.lives(child.pid)
        child.kill()
        child.wait()
    assert not starving.lives(child.pid)


async def test_a_process_that_no_signal_ends_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(starving, "lives", lambda _: True)
    monkeypatch.setattr(campaign, "GONE", 0.05)
    child = subprocess.Popen([sys.executable, "-c", SPIN.format(60)])
    server = Server(Path(), cast("Any", None), port=1, pid=child.pid)
    with pytest.raises(RuntimeError, match="is still there"):
        await server.kill()
    child.wait()
