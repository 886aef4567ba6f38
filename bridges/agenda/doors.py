"""Doors at which strangers knock. What is no HTTP is refused, and nothing of it is printed."""

import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

_LOGGER: Final = logging.getLogger("pli.agenda.doors")


def _is_ours(record: logging.LogRecord) -> bool:
    """Leave out what somebody has sent: aiohttp prints it with where in the program that was noticed."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_LOGGER.addFilter(_is_ours)


def runner_of(app: web.Application, **options: Any) -> web.AppRunner:
    """Give what runs an application, with the options of ``web.AppRunner``."""
    return web.AppRunner(app, access_log=None, logger=_LOGGER, **options)
