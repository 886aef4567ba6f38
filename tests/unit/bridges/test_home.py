"""The folder of one device, used by one process at a time."""

import asyncio

import pytest

from bridges.kit.errors import UnreachableError, UsageError
from bridges.kit.home import Home


async def test_a_second_process_waits_and_is_told(tmp_path):
    home, told = Home(tmp_path), []
    async with home.alone(lambda: told.append("first")):
        second = asyncio.create_task(_enter(home, told))
        while not told:
            await asyncio.sleep(0.01)
        assert told == ["waiting"]
    await second
    assert told == ["waiting", "in"]


async def _enter(home, told):
    async with home.alone(lambda: told.append("waiting")):
        told.append("in")


async def test_who_has_waited_too_long_is_refused_and_may_come_again(tmp_path):
    home = Home(tmp_path)
    async with home.alone(lambda: None):
        with pytest.raises(UnreachableError) as refused:
            async with home.alone(lambda: None, patience=0.1):
                pytest.fail("two in one home")
        assert refused.value.code == "home_busy"
    async with home.alone(lambda: pytest.fail("nobody is in")):
        pass


def test_a_home_is_made_for_its_owner_only(tmp_path):
    home = Home(tmp_path / "new" / "home")
    home.prepare()
    assert home.folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_with_other_things_that_others_can_enter_is_refused(tmp_path):
    (tmp_path / "something").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(UsageError) as refused:
        Home(tmp_path).prepare()
    assert refused.value.code == "home_unsafe"


def test_the_server_is_remembered(tmp_path):
    home = Home(tmp_path)
    assert home.server is None
    home.settle("https://pli.example")
    assert Home(tmp_path).server == "https://pli.example"
