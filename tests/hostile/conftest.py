"""One laid-out practice a module, and what only `make hostile` runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.hostile.scene import Scene, scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def practice(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A practice that every test of a module shares: each one leaves it as it was."""
    async with scene(tmp_path_factory.mktemp("practice")) as laid:
        yield laid


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless marks are chosen by hand: `make hostile` runs it."""
    if config.option.markexpr:
        return
    here = [item for item in items if "tests/hostile" in str(item.path) and item.get_closest_marker("slow")]
    if here:
        config.hook.pytest_deselected(items=here)
        items[:] = [item for item in items if item not in here]
