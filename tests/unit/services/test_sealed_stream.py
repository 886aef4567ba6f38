"""A sealed backup is whole or refused: nothing can be cut off, repeated or put in another order."""

from __future__ import annotations

import io
import os

import pytest

from crypto.hpke import OpeningKey
from crypto.secret import Secret
from server.admin import seal
from server.admin.terminal import CommandError


def sealed_stream(lock, data):
    out = io.BytesIO()
    writer = seal.SealedWriter(out, lock)
    writer.write(data)
    writer.finish()
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, seal.CHUNK - 1, seal.CHUNK, seal.CHUNK + 1, 3 * seal.CHUNK])
def test_a_sealed_stream_is_whole_or_refused(size):
    secret = OpeningKey(Secret(os.urandom(32)))
    lock, opener = seal.to_public_key(secret.public), seal.Opener(secret=secret)
    data = os.urandom(size)
    sealed = sealed_stream(lock, data)
    assert seal.opened(io.BytesIO(sealed), opener).read() == data
    body, step = sealed[len(lock.head) :], seal.CHUNK + 16
    chunks = [body[place : place + step] for place in range(0, len(body), step)]
    wrong = [chunks[:-1], chunks[::-1], [*chunks, chunks[-1]], [chunks[0], *chunks]]
    for changed in (each for each in wrong if each != chunks):
        with pytest.raises(CommandError):
            seal.opened(io.BytesIO(lock.head + b"".join(changed)), opener).read()
