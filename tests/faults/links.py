"""The wires of a node: to its clients, to PostgreSQL, to Redis. Each can be parted, in one direction or both.

Where the kernel allows it, the node lives in a network namespace of its own and every wire is a pair of virtual
Ethernet cards: a parted wire drops frames (they carry the address of nobody), and the kernels retransmit as they
would. Elsewhere the same wires are proxies on loopback that let bytes stand still.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import subprocess
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tests.faults.proxy import Proxy, Way

Part = Literal["both", "to node", "from node"]
NOBODY = "02:00:00:00:de:ad"  # the address of no card


class Wire(Protocol):
    """A way between a node and somebody else."""

    proxy: Proxy

    async def part(self, how: Part) -> None: ...
    async def heal(self) -> None: ...


@dataclass
class Held:
    """A wire that is a proxy."""

    proxy: Proxy
    dials: bool
    """Whether the node is the one who connects."""

    async def part(self, how: Part) -> None:
        out: Way = "up" if self.dials else "down"
        back: Way = "down" if self.dials else "up"
        self.proxy.hold(*{"both": (out, back), "from node": (out,), "to node": (back,)}[how])  # type: ignore[misc]

    async def heal(self) -> None:
        self.proxy.release()


@dataclass
class Cards:
    """A wire that is a pair of cards."""

    proxy: Proxy
    namespace: str
    number: int

    @property
    def near(self) -> str:
        return f"10.{211 + self.number // 64 % 8}.{self.number % 64 * 4}.1"

    @property
    def far(self) -> str:
        return self.near[:-1] + "2"

    def lay(self) -> None:
        here, there = f"{self.namespace}{self.number}h", f"{self.namespace}{self.number}t"
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.namespace)
        for where, card, address in (((), here, self.near), (("-n", self.namespace), there, self.far)):
            _ip(*where, "addr", "add", f"{address}/30", "dev", card)
            _ip(*where, "link", "set", card, "up")

    async def part(self, how: Part) -> None:
        if how != "from node":
            await self._neighbour("replace", "lladdr", NOBODY, "nud", "permanent")
        if how != "to node":
            await self._neighbour("replace", "lladdr", NOBODY, "nud", "permanent", theirs=True)

    async def heal(self) -> None:
        for theirs in (False, True):
            with contextlib.suppress(subprocess.CalledProcessError):  # that direction was not parted
                await self._neighbour("del", theirs=theirs)

    async def _neighbour(self, what: str, *words: str, theirs: bool = False) -> None:
        where = ("-n", self.namespace) if theirs else ()
        card = f"{self.namespace}{self.number}{'t' if theirs else 'h'}"
        await asyncio.to_thread(_ip, *where, "neigh", what, self.near if theirs else self.far, *words, "dev", card)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass
class Wires:
    """All wires of one node, and the settings under which it uses them."""

    namespace: str | None
    clients: Wire
    postgres: Wire
    redis: Wire
    host: str = "127.0.0.1"
    names: tuple[str, ...] = field(default=("clients", "postgres", "redis"), init=False)

    @classmethod
    async def lay(cls, node: int, port: int, postgres: int, redis: int, *, spaces: bool) -> Wires:
        """Lay the wires of a node that will listen on ``port``."""
        wires = await (_cards if spaces else _proxies)(node, port, postgres, redis)
        for wire in (wires.clients, wires.postgres, wires.redis):
            await wire.proxy.start()
        return wires

    async def remove(self) -> None:
        for wire in (self.clients, self.postgres, self.redis):
            await wire.proxy.close()
        if self.namespace is not None:
            await asyncio.to_thread(_ip, "netns", "del", self.namespace)


async def _proxies(_: int, port: int, postgres: int, redis: int) -> Wires:
    return Wires(None, Held(Proxy(port), False), Held(Proxy(postgres), True), Held(Proxy(redis), True))


async def _cards(node: int, port: int, postgres: int, redis: int) -> Wires:
    name = f"pf{secrets.token_hex(2)}"
    _ip("netns", "add", name)
    _ip("-n", name, "link", "set", "lo", "up")
    first = secrets.randbelow(160) * 3
    wires = [Cards(Proxy(target), name, first + number) for number, target in enumerate((port, postgres, redis))]
    for wire in wires:
        wire.lay()
    clients, *dialled = wires
    clients.proxy.host = clients.far
    for wire in dialled:
        wire.proxy.at = wire.near
    return Wires(name, clients, *dialled, host=clients.far)


def refused() -> str | None:
    """Say why there are no network namespaces here; ``None`` when there are."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"pf{secrets.token_hex(2)}"
    try:
        _ip("netns", "add", name)
    except FileNotFoundError:
        return "iproute2 is not installed"
    except subprocess.CalledProcessError as exc:
        return f"the kernel refuses: {exc.stderr.decode().strip()}"
    try:
        Cards(Proxy(0), name, secrets.randbelow(500)).lay()
    except subprocess.CalledProcessError as exc:
        return f"the kernel refuses: {exc.stderr.decode().strip()}"
    finally:
        _ip("netns", "del", name)
    return None
