"""Several tasks, one commit."""

import asyncio
from contextlib import contextmanager

import pytest

from bridges.kit.commits import Commits


class File:
    def __init__(self) -> None:
        self.commits: list[list[str]] = []

    @contextmanager
    def together(self):
        self.written: list[str] = []
        yield
        self.commits.append(self.written)

    def write(self, text: str):
        def do() -> str:
            if text == "broken":
                raise OSError
            self.written.append(text)
            return text

        return do


async def member(commits: Commits, file: File, *texts: str) -> list[str]:
    try:
        return [await commits.write(file.together, file.write(each)) for each in texts]
    finally:
        commits.leave()


async def test_each_step_of_a_round_is_one_commit_and_nobody_waits_for_who_has_left():
    commits, file = Commits(), File()
    commits.enter(3)
    tasks = [member(commits, file, "a1", "a2"), member(commits, file, "b1", "b2", "b3"), member(commits, file, "c1")]
    assert await asyncio.wait_for(asyncio.gather(*tasks), 5) == [["a1", "a2"], ["b1", "b2", "b3"], ["c1"]]
    assert file.commits == [["a1", "b1", "c1"], ["a2", "b2"], ["b3"]]
    assert await commits.write(file.together, file.write("alone")) == "alone"
    assert file.commits[-1] == ["alone"]


async def test_a_commit_that_fails_is_heard_by_everybody_in_it():
    commits, file, other = Commits(), File(), File()
    commits.enter(3)
    tasks = [member(commits, file, "a"), member(commits, file, "broken"), member(commits, other, "c")]
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [type(each) for each in found] == [OSError, OSError, list]
    assert (file.commits, other.commits) == ([], [["c"]])


async def test_a_task_that_is_cancelled_while_it_waits_writes_nothing():
    commits, file = Commits(), File()
    commits.enter(2)
    gone = asyncio.create_task(member(commits, file, "gone"))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await asyncio.wait_for(member(commits, file, "stays"), 5) == ["stays"]
    assert file.commits == [["stays"]]
