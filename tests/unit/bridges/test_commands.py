"""Every command is there, although each is loaded only when asked for."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from bridges.agenda.commands import ACTIONS
from bridges.terminal.commands import COMMANDS, load


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_its_arguments_and_a_place_to_speak(name):
    command = load(name)
    assert inspect.iscoroutinefunction(command)
    assert len(inspect.signature(command).parameters) == 2


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_of_the_agenda_is_there(name):
    module, function = ACTIONS[name]
    assert inspect.iscoroutinefunction(getattr(import_module(module), function))


def test_who_reads_a_calendar_loads_no_web_library():
    script = (
        "import sys; from bridges.__main__ import main; code = main(['agenda', 'busy', '/dev/null', '--from', '2026-07-01',"
        " '--to', '2026-07-02', '--zone', 'UTC']); print(code, sorted({'aiohttp', 'cryptography', 'lxml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[-2] == "3 []", done
