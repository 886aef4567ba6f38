"""The house that documents are brought to."""

from __future__ import annotations

import shutil

import pytest

from server.storage.identity import init_data
from tests.fakes.house import open_house


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laid-out") / "data"
    init_data(folder)
    return folder


@pytest.fixture
async def house(laid_out, tmp_path):
    async with open_house(shutil.copytree(laid_out, tmp_path / "data")) as made:
        yield made
