"""The house that documents are brought to."""

from __future__ import annotations

import shutil

import pytest

from server.storage.identity import init_data
from tests.fakes.house import open_house
from tests.fakes.services import LockedS3, make_bucket, own


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laid-out") / "data"
    init_data(folder)
    return folder


@pytest.fixture
async def house(laid_out, tmp_path):
    async with open_house(shutil.copytree(laid_out, tmp_path / "data")) as made:
        yield made


@pytest.fixture(scope="module")
def shared():
    """An S3 that asks for keys, with the bucket `documents`."""
    service = own(LockedS3)
    make_bucket(service)
    yield service
    service.remove()


@pytest.fixture
def key(monkeypatch):
    """Choose the key of the bucket."""

    def choose(name, secret=LockedS3.SECRET):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)

    return choose
