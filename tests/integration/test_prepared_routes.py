"""Prepared routing finds what aiohttp finds, and leaves to aiohttp what is unusual."""

from __future__ import annotations

import re

import pytest
from aiohttp.test_utils import make_mocked_request

from server.transport.prepared import Prepared
from server.transport.rest.routes import OPERATIONS

ID = "A" * 43


def address(path: str) -> str:
    return re.sub(r"\{\w+\}", ID, path)


@pytest.fixture
def prepared(server):
    async def nobody(_request):
        raise AssertionError("not asked here")

    return Prepared(server.app, nobody)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
async def test_every_operation_is_found_as_aiohttp_finds_it(server, prepared, operation):
    target = address(operation.path)
    theirs = await server.app.router.resolve(make_mocked_request(operation.method, target))
    for asked in (target, target + "?after=0&limit=50"):
        ours, varying = prepared.find(operation.method, asked)
        assert ours.route is theirs.route
        assert dict(zip(ours.names, varying, strict=True)) == dict(theirs)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/feed/../feed",
        "/v1/./feed",
        "/v1//feed",
        "//v1/feed",
        "/v1/feed/",
        "/v1/feed#part",
        "/v1/f%65ed",
        "/v1/feed%00",
        "/v1/conversations//events",
        "/v1/conversations/{conversation}/events",
        "/v1/conversations/é/events",
        "/v2/feed",
        "/",
        "*",
        "http://elsewhere/v1/feed",
        "",
    ],
)
def test_an_unusual_address_is_left_to_aiohttp(prepared, target):
    assert prepared.find("GET", target) is None


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "BREW", "get"])
def test_another_method_is_left_to_aiohttp(prepared, method):
    assert prepared.find(method, "/v1/feed") is None
