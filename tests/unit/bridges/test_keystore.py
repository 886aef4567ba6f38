"""The secrets of a device at rest."""

import os
import stat

import pytest

from bridges.kit.errors import UsageError
from bridges.kit.keystore import KEY_FILE, SEALED, Keystore, write_atomically

MARKER = b"a seed that nobody may find on the disk"


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.mark.parametrize("passphrase", [None, "grains de café"])
def test_what_was_saved_is_there_again_and_nothing_shows(folder, passphrase):
    keys = Keystore.create(folder, passphrase)
    keys.put_bytes("seed", MARKER)
    keys.save()
    assert Keystore.unlock(folder, passphrase).get_bytes("seed") == MARKER
    assert Keystore.wants_passphrase(folder) is (passphrase is not None)
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert MARKER not in path.read_bytes()
    assert MARKER.decode() not in repr(keys)


@pytest.mark.parametrize("wrong", ["grains de cafe", "", None])
def test_another_passphrase_opens_nothing(folder, wrong):
    Keystore.create(folder, "grains de café")
    with pytest.raises(UsageError) as refused:
        Keystore.unlock(folder, wrong)
    assert refused.value.code == "wrong_passphrase"


@pytest.mark.parametrize("name", [SEALED, KEY_FILE])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_keys_that_others_could_read_are_refused(folder, name, mode):
    Keystore.create(folder, None)
    (folder / name).chmod(mode)
    with pytest.raises(UsageError) as refused:
        Keystore.unlock(folder, None)
    assert refused.value.code == "home_unsafe"


def test_an_altered_file_opens_nothing(folder):
    keys = Keystore.create(folder, None)
    sealed = bytearray(keys.seal(MARKER))
    sealed[-1] ^= 1
    with pytest.raises(UsageError):
        keys.open(bytes(sealed))


def test_an_empty_folder_is_told_as_such(folder):
    with pytest.raises(UsageError) as refused:
        Keystore.unlock(folder, None)
    assert refused.value.code == "home_empty"


def test_a_write_that_dies_leaves_the_old_content(folder, monkeypatch):
    path = folder / "file"
    write_atomically(path, b"old")

    def dies(_: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(OSError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
