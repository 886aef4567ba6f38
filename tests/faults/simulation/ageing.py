"""Time goes on, and messages go when their term is over: in the middle of everything, and when nobody writes any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

TERM = 30  # days that messages are kept
AGES = 45  # days by which time goes on: the term of all that was said is over, and the week after it


def sweep(world: World) -> None:
    """Let a node look for what is over, while others write: nothing is."""
    node = world.chance.choice(world.nodes)
    if node.alive:
        node.run(node.sweep())


async def age(world: World) -> None:
    """Let the term of everything pass; the node that lets it go may die over it, then another goes on."""
    for days in (AGES, 1):  # a job that was begun is due again after its hour
        for node in world.nodes:
            node.clock.base += days * 24 * 3_600_000
        world.history.add("clocks", days=days)
        node = world.chance.choice(world.nodes)
        sweeping = node.run(node.sweep())
        if days == AGES and world.chance.random() < 0.5:
            await asyncio.sleep(world.chance.uniform(0, 0.2))
            node.crash()
            await node.start()
        await asyncio.gather(sweeping, return_exceptions=True)
    world.stage.count("aged")
