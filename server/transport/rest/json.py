"""JSON in: small, strict, in time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_TYPE

from server.domain.errors import BadRequestError, RequestTooLargeError, UnsupportedMediaTypeError

JSON: Final = "application/json"
LIMIT: Final = 1024 * 1024  # bytes of a JSON body
PATIENCE: Final = 15  # seconds for a body to arrive

_decoders: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {}


async def read_body(request: web.Request, schema: type[msgspec.Struct]) -> Any:
    """Read a JSON body of exactly this form.

    Raises:
        BadRequestError, RequestTooLargeError, UnsupportedMediaTypeError, TimeoutError.

    """
    headers = request.headers
    plain = headers.get(CONTENT_TYPE) == JSON  # with parameters, the slow way
    if not (plain or request.content_type == JSON) or CONTENT_ENCODING in headers:
        raise UnsupportedMediaTypeError("send application/json without Content-Encoding")
    if (request.content_length or 0) > LIMIT:
        raise RequestTooLargeError(f"at most {LIMIT} bytes")
    body = await _whole(request)
    if len(body) > LIMIT:
        raise RequestTooLargeError(f"at most {LIMIT} bytes")
    decoder = _decoders.get(schema)
    if decoder is None:
        decoder = _decoders[schema] = msgspec.json.Decoder(schema)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:  # a key of bad UTF-8 is the second
        raise BadRequestError(str(exc)) from None


async def _whole(request: web.Request) -> bytes:
    """Return the body, which has mostly arrived with the head: then there is nothing to be patient about."""
    if request.content.is_eof():
        return request.content.read_nowait()
    async with asyncio.timeout(PATIENCE):
        return await request.read()


def read_query(request: web.Request, schema: type[msgspec.Struct]) -> Any:
    """Read the query of an address: each name once, none unknown.

    Raises:
        BadRequestError: anything else.

    """
    query = request.query
    if len(set(query)) != len(query):
        raise BadRequestError("each name at most once")
    try:
        return msgspec.convert(dict(query), schema, strict=False)
    except msgspec.ValidationError as exc:
        raise BadRequestError(str(exc)) from None
