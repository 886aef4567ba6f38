"""A disk that forgets: what was not synced is gone after a power cut. It speaks FUSE to the kernel by itself.

Run as a process of its own (`python -m tests.faults.fragile_disk MOUNT_POINT SOURCE`), told what to do by lines on
standard input, each answered by a line:

| command | what happens |
|---|---|
| `cut forget SEED` | the power goes: everything not synced is forgotten; the disk is mounted again as it was last synced |
| `cut torn SEED` | the same, but of the writes not synced some reached the disk, whole or in part, in any order |
| `fail sync` / `fail none` | every fsync answers EIO, until told otherwise |
| `room BYTES` / `room -1` | the disk has no more than this left (ENOSPC), or as much as it wants |

A file's bytes survive by fsync of the file, its name by fsync of the folder: POSIX, and no more than POSIX.
Source: Linux `include/uapi/linux/fuse.h`, protocol 7.31.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import select
import stat
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
LARGEST = 128 * 1024  # bytes of one write
MANY = 1 << 24  # blocks that the disk says it has
FOR_EVER = 86_400  # seconds for which the kernel may remember names and sizes: nobody else changes them
_IN = struct.Struct("<IIQQIIII")
_OUT = struct.Struct("<IiQ")
_libc = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """An errno for the kernel."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.number = number


@dataclass(eq=False)
class Node:
    """A file or folder: as the programs see it, and as it would be after a power cut."""

    number: int
    mode: int
    seen: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    writes: list[tuple[int, bytes]] = field(default_factory=list)
    """(offset, bytes) since the last sync; a negative offset is a new size."""
    names: dict[str, Node] = field(default_factory=dict)
    synced_names: dict[str, Node] = field(default_factory=dict)

    def sync(self) -> None:
        if self.writes:
            self.synced, self.writes = bytes(self.seen), []
        self.synced_names = dict(self.names)

    def lose_power(self, torn: random.Random | None) -> None:
        """Fall back to what was synced; with ``torn``, some sectors of some later writes are there as well."""
        survived = bytearray(self.synced)
        for offset, data in self.writes if torn else ():
            assert torn is not None
            if offset < 0:
                continue  # a new size without its bytes proves nothing: SQLite reads only what it checks
            for start in range(0, len(data), SECTOR):
                if torn.random() < 0.5:
                    end = offset + start + SECTOR
                    survived.extend(bytes(max(0, min(end, offset + len(data)) - len(survived))))
                    survived[offset + start : min(end, offset + len(data))] = data[start : start + SECTOR]
        self.seen, self.synced, self.writes = survived, bytes(survived), []
        self.names = dict(self.synced_names)


class FragileDisk:
    """The file system: a tree of nodes in memory, and the answers to what the kernel asks."""

    def __init__(self, source: Path) -> None:
        self._nodes: dict[int, Node] = {}
        self.root = self._node(stat.S_IFDIR | 0o700, 1)
        self.sync_fails = False
        self.room = -1
        self.syncs = 0
        self._take_in(source, self.root)
        self._answers: dict[int, Callable[[Node, bytes], bytes]] = {
            1: self._lookup, 3: self._getattr, 4: self._setattr, 8: self._mknod, 9: self._mkdir, 10: self._unlink,
            11: self._rmdir, 12: self._rename, 14: self._open, 15: self._read, 16: self._write, 17: self._statfs,
            18: _nothing, 20: self._fsync, 25: _nothing, 26: self._init, 27: self._open, 28: self._readdir,
            29: _nothing, 30: self._fsync, 35: self._create, 45: self._rename2,
        }  # fmt: skip

    def _node(self, mode: int, number: int | None = None) -> Node:
        number = number or len(self._nodes) + 2
        while number != 1 and number in self._nodes:
            number += 1
        node = Node(number, mode)
        self._nodes[number] = node
        return node

    def _take_in(self, folder: Path, into: Node) -> None:
        for path in sorted(folder.iterdir()):
            made = self._node(path.stat().st_mode)
            into.names[path.name] = made
            if path.is_dir():
                self._take_in(path, made)
            elif path.is_file():
                made.seen = bytearray(path.read_bytes())
                made.synced = bytes(made.seen)
        into.sync()

    def lose_power(self, torn: random.Random | None) -> None:
        for node in self._nodes.values():
            node.lose_power(torn)

    # --- the kernel's questions -------------------------------------------------------------------------------------

    def answer(self, request: bytes) -> bytes | None:
        """Return the answer to one message of the kernel; ``None`` when it expects none."""
        _, opcode, unique, number, _, _, _, _ = _IN.unpack_from(request)
        if opcode in {2, 36, 42}:  # FORGET, INTERRUPT, BATCH_FORGET
            return None
        work = self._answers.get(opcode)
        error, body = 0, b""
        try:
            if work is None:
                raise RefusedError(errno.ENOSYS)
            body = work(self._nodes[number or 1], request[_IN.size :])
        except RefusedError as exc:
            error = -exc.number
        return _OUT.pack(_OUT.size + len(body), error, unique) + body

    def _init(self, _: Node, body: bytes) -> bytes:
        ahead = struct.unpack_from("<III", body)[2]
        big_writes = 1 << 5
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, ahead, big_writes, 16, 12, LARGEST, 1, 0, 0, 0)

    def _attr(self, node: Node) -> bytes:
        size = len(node.seen)
        blocks = (size + SECTOR - 1) // SECTOR
        return struct.pack("<6Q10I", node.number, size, blocks, 0, 0, 0, 0, 0, 0, node.mode, 1, 0, 0, 0, 4096, 0)

    def _entry(self, node: Node) -> bytes:
        return struct.pack("<4Q2I", node.number, 0, FOR_EVER, FOR_EVER, 0, 0) + self._attr(node)

    def _lookup(self, folder: Node, body: bytes) -> bytes:
        return self._entry(_named(folder, _name(body)))

    def _getattr(self, node: Node, _: bytes) -> bytes:
        return struct.pack("<QII", FOR_EVER, 0, 0) + self._attr(node)

    def _setattr(self, node: Node, body: bytes) -> bytes:
        valid, _, _, size = struct.unpack_from("<IIQQ", body)
        if valid & 1:
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(struct.unpack_from("<I", body, 68)[0])
        if valid & 8:
            self._resize(node, size)
        return self._getattr(node, b"")

    def _resize(self, node: Node, size: int) -> None:
        if size > len(node.seen):
            self._spend(size - len(node.seen))
        del node.seen[size:]
        node.seen.extend(bytes(size - len(node.seen)))
        node.writes.append((-1, b""))

    def _spend(self, size: int) -> None:
        if self.room >= 0:
            if size > self.room:
                raise RefusedError(errno.ENOSPC)
            self.room -= size

    def _make(self, folder: Node, name: str, mode: int) -> Node:
        if name in folder.names:
            raise RefusedError(errno.EEXIST)
        folder.names[name] = node = self._node(mode)
        return node

    def _mknod(self, folder: Node, body: bytes) -> bytes:
        return self._entry(self._make(folder, _name(body[16:]), struct.unpack_from("<I", body)[0]))

    def _mkdir(self, folder: Node, body: bytes) -> bytes:
        mode = stat.S_IFDIR | struct.unpack_from("<I", body)[0]
        return self._entry(self._make(folder, _name(body[8:]), mode))

    def _create(self, folder: Node, body: bytes) -> bytes:
        mode = stat.S_IFREG | struct.unpack_from("<II", body)[1]
        return self._entry(self._make(folder, _name(body[16:]), mode)) + bytes(16)

    def _unlink(self, folder: Node, body: bytes) -> bytes:
        _named(folder, _name(body))
        del folder.names[_name(body)]
        return b""

    def _rmdir(self, folder: Node, body: bytes) -> bytes:
        if _named(folder, _name(body)).names:
            raise RefusedError(errno.ENOTEMPTY)
        return self._unlink(folder, body)

    def _rename(self, folder: Node, body: bytes) -> bytes:
        return self._move(folder, struct.unpack_from("<Q", body)[0], body[8:])

    def _rename2(self, folder: Node, body: bytes) -> bytes:
        to, flags = struct.unpack_from("<QI", body)
        if flags:
            raise RefusedError(errno.EINVAL)
        return self._move(folder, to, body[16:])

    def _move(self, folder: Node, to: int, names: bytes) -> bytes:
        old, new = (part.decode() for part in names.split(b"\0")[:2])
        self._nodes[to].names[new] = _named(folder, old)
        del folder.names[old]
        return b""

    def _open(self, _: Node, __: bytes) -> bytes:
        return bytes(16)

    def _read(self, node: Node, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return bytes(node.seen[offset : offset + size])

    def _write(self, node: Node, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        data = body[40 : 40 + size]
        grown = offset + size - len(node.seen)
        if grown > 0:
            self._spend(grown)
            node.seen.extend(bytes(grown))
        node.seen[offset : offset + size] = data
        node.writes.append((offset, data))
        return struct.pack("<II", size, 0)

    def _fsync(self, node: Node, _: bytes) -> bytes:
        if self.sync_fails:
            raise RefusedError(errno.EIO)
        self.syncs += 1
        node.sync()
        return b""

    def _statfs(self, _: Node, __: bytes) -> bytes:
        free = MANY if self.room < 0 else self.room // 4096
        return struct.pack("<5Q4I24x", MANY, free, free, 1 << 20, 1 << 20, 4096, 255, 4096, 0)

    def _readdir(self, folder: Node, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        out = b""
        for index, (name, node) in enumerate(sorted(folder.names.items())):
            if index < offset:
                continue
            raw = name.encode()
            entry = struct.pack("<QQII", node.number, index + 1, len(raw), node.mode >> 12) + raw
            entry += bytes(-len(entry) % 8)
            if len(out) + len(entry) > size:
                break
            out += entry
        return out


def _nothing(_: Node, __: bytes) -> bytes:
    return b""


def _name(body: bytes) -> str:
    return body.split(b"\0", 1)[0].decode()


def _named(folder: Node, name: str) -> Node:
    if name not in folder.names:
        raise RefusedError(errno.ENOENT)
    return folder.names[name]


# --- the process ------------------------------------------------------------------------------------------------------


def mount(at: Path) -> int:
    """Mount on ``at``; return the channel to the kernel.

    Raises:
        OSError: the kernel refuses (no /dev/fuse, or not root).

    """
    channel = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={channel},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    if _libc.mount(b"fragile", os.fsencode(at), b"fuse", 0, options.encode()):
        os.close(channel)
        raise OSError(ctypes.get_errno(), "mount: " + os.strerror(ctypes.get_errno()))
    return channel


def unmount(at: Path) -> None:
    """Take it away at once, whoever still uses it."""
    _libc.umount2(os.fsencode(at), 2)


def _obey(disk: FragileDisk, words: list[str], at: Path, channel: int) -> int:
    match words:
        case ["cut", how, seed]:
            os.close(channel)  # from here on every call of the server fails
            unmount(at)
            disk.lose_power(random.Random(seed) if how == "torn" else None)
            return mount(at)
        case ["fail", what]:
            disk.sync_fails = what == "sync"
        case ["room", size]:
            disk.room = int(size)
    return channel


def serve(at: Path, source: Path) -> None:
    """Answer the kernel and the commands until standard input ends."""
    disk, channel = FragileDisk(source), mount(at)
    say = sys.stdout
    print("mounted", file=say, flush=True)
    try:
        while True:
            ready, _, _ = select.select([channel, 0], [], [])
            if 0 in ready:
                line = os.read(0, 4096).decode()
                if not line:
                    return
                channel = _obey(disk, line.split(), at, channel)
                print(f"done {disk.syncs}", file=say, flush=True)
            elif channel in ready:
                _turn(disk, channel)
    finally:
        unmount(at)


def _turn(disk: FragileDisk, channel: int) -> None:
    try:
        reply = disk.answer(os.read(channel, LARGEST + 8192))
        if reply is not None:
            os.write(channel, reply)
    except OSError as exc:
        if exc.errno not in {errno.ENOENT, errno.EINTR, errno.EAGAIN}:
            raise


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
    time.sleep(0)
