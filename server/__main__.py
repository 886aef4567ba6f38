"""``pli``: the operator's program. Every command stands in docs/operate/terminal.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from typing_extensions import override

from server import settings
from server.admin import arguments as keeping
from server.admin import terminal
from server.admin.terminal import CommandError
from server.demo.programs import Address, DemoError
from server.domain.errors import DomainError
from server.settings import Settings, SettingsError

SETTINGS: Final = (
    "data", "host", "port", "public_url", "web", "demo", "access_log", "strict_logs",
    "database_url", "redis_url", "blobs_url", "workers",
)  # fmt: skip
"""Settings that are flags of ``pli serve``; the others are for the environment."""


LOOPBACK: Final = "127.0.0.1"


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing and leaving, so that ``--json`` holds for wrong usage too."""

    @override
    def error(self, message: str) -> NoReturn:
        raise CommandError("usage", message, hint=self.format_usage().strip(), status=terminal.USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the terminal contract."""
    given = sys.argv[1:] if argv is None else list(argv)
    json = "--json" in given
    try:
        arguments = _parser().parse_args(given)
        command: Callable[[argparse.Namespace], int] = arguments.run
        return command(arguments)
    except CommandError as exc:
        error = exc
    except SettingsError as exc:
        error = CommandError("settings", str(exc), hint="docs/operate/settings.md", status=terminal.USAGE)
    except DomainError as exc:
        error = CommandError.of(exc)
    except KeyboardInterrupt:
        error = CommandError("interrupted", "stopped before the end", hint="run it again", status=terminal.INTERRUPTED)
    except DemoError as exc:
        hint = exc.hint or "`pli demo --fresh` starts again"
        error = CommandError("demo_failed", str(exc), hint=hint, status=terminal.UNREACHABLE)
    return terminal.tell(error, json=json)


def _parser() -> _Parser:
    parser = _Parser("pli", description="Sealed messages between patients and those who care for them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = _command(commands, "init", _init, "make the data folder: database, keys of this server")
    init.add_argument("--data", metavar="DIR")
    _serve_arguments(_command(commands, "serve", _serve, "serve until a signal ends it"))
    _demo_arguments(_command(commands, "demo", _demo, "serve a demonstration with three people and a first letter"))
    _command(commands, "describe", _describe, "print the HTTP interface as OpenAPI 3.1")
    keeping.add_arguments(lambda name, text: _keeper(commands, name, text))
    admin = commands.add_parser("admin", help="what only the operator may do").add_subparsers(required=True)
    professional = admin.add_parser("professional", help="professionals").add_subparsers(required=True)
    add = _command(professional, "add", _professional, "make an activation link for a professional you have checked")
    add.add_argument("--data", metavar="DIR")
    add.add_argument("--public-url", metavar="URL", help="where people reach the server, if it does not run now")
    add.add_argument("--name", required=True, help="as on the card: `Dr Claire Martin`")
    add.add_argument("--profession", required=True, metavar="CODE", help="TRE_G15: 10 doctor, 21 pharmacist, 60 nurse")
    add.add_argument("--rpps", required=True, metavar="NUMBER", help="11 digits")
    return parser


def _command(parent: Any, name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parent.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=run)
    return parser


def _keeper(parent: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = _command(parent, name, _keep, text)
    parser.set_defaults(command=name)
    return parser


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    for name in SETTINGS:
        parser.add_argument("--" + name.replace("_", "-"), dest=name, metavar=name.upper())
    parser.add_argument("--no-web", dest="web", action="store_const", const="no", help="the API alone")


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", type=Path, default=Path("demo-data"))
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=8420)
    parser.add_argument("--public-url")
    parser.add_argument("--no-web", dest="web", action="store_false", help="the API alone")
    parser.add_argument("--fresh", action="store_true", help="forget the earlier story")


def _read(arguments: argparse.Namespace) -> Settings:
    return settings.read({name: getattr(arguments, name, None) for name in SETTINGS}, os.environ)


# Each command imports what it needs: `pli --help` and a usage error answer at once.


def _init(arguments: argparse.Namespace) -> int:
    from server.admin import init  # noqa: PLC0415

    made = init.make(_read(arguments))
    terminal.answer(made, json=arguments.json, text=f"ready to serve: pli serve --data {made['data']}")
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from server.admin import serve  # noqa: PLC0415

    return serve.run(_read(arguments))


def _demo(arguments: argparse.Namespace) -> int:
    from server.demo import run  # noqa: PLC0415

    local = arguments.host == LOOPBACK and arguments.port != 0
    # A passkey is bound to a name: under a bare number the demonstration could not show one.
    public_url = arguments.public_url or (f"http://localhost:{arguments.port}" if local else None)
    at = Address(host=arguments.host, port=arguments.port, public_url=public_url, web=arguments.web)
    return run.run(arguments.data, at, fresh=arguments.fresh, json=arguments.json)


def _professional(arguments: argparse.Namespace) -> int:
    from server.admin import professionals  # noqa: PLC0415

    made = professionals.add(
        _read(arguments), name=arguments.name, profession=arguments.profession, identifier=arguments.rpps
    )
    text = f"{arguments.name} opens this link once, before it expires:\n{made['activation_link']}"
    terminal.answer(made, json=arguments.json, text=text)
    return 0


def _keep(arguments: argparse.Namespace) -> int:
    from server.admin import commands  # noqa: PLC0415

    with terminal.tidy():
        return commands.run(arguments)


def _describe(_: argparse.Namespace) -> int:
    from server.admin import describe  # noqa: PLC0415

    sys.stdout.write(describe.document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
