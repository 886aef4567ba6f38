"""The database of a mail bridge, as most of these tests need it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridges.mail.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """One that anybody can open: what is sealed is turned round."""
    made = State(tmp_path / "s.db", seal=lambda raw: raw[::-1], unseal=lambda raw: raw[::-1])
    yield made
    made.close()
