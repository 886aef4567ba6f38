"""The tools that write the vectors also perform them; ``scene`` is shared by the tests of this folder."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tools")]

import pytest  # noqa: E402  (after the path)
from scene import Scene  # noqa: E402


@pytest.fixture(scope="session")
def scene():
    """One scene for all: nothing in it changes."""
    return Scene()
