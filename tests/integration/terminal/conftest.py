"""Terminals of people: the real `pli-bridge` against a real `pli serve`, one server a module."""

import itertools

import pytest

from tests.journeys.support import Server, Terminal, luhn, write_pdf
from tools.services import free_port

NUMBERS = itertools.count(1)
LETTER = "Bonjour Monsieur Dupont, voici votre ordonnance. À bientôt."


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """Let the many short programs share compiled modules, also where the environment forbids writing them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory, compiled):
    data = tmp_path_factory.mktemp("server")
    made = Server(data / "data", data / "log", free_port(), extra=["--no-web"])
    made.lay_out()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    return tmp_path_factory.mktemp("homes")


@pytest.fixture
def terminal(tmp_path, server):
    return lambda name, url=None: Terminal(tmp_path / "homes" / name, url or server.url)


@pytest.fixture(scope="module")
def professional(server, homes):
    """A professional with an account, and what the account's creation answered."""

    def make(name, profession="10"):
        number = next(NUMBERS)
        person = Terminal(homes / str(number), server.url)
        link = server.add_professional(name, profession, luhn(f"9999{number:06}"))
        person.paper = person.run("account", "create", "--link", link)
        return person

    return make


@pytest.fixture(scope="module")
def claire(professional):
    return professional("Claire Martin")


@pytest.fixture(scope="module")
def karim(professional):
    return professional("Karim Haddad", "21")


@pytest.fixture
def pdf(tmp_path):
    return write_pdf(tmp_path / "ordonnance.pdf", "ORDONNANCE (demo) Amlodipine 5 mg")


@pytest.fixture
def letter(claire, pdf):
    """Claire's first letter to Jean, with a document."""
    words = ("--name", "Jean Dupont", "--subject", "Votre ordonnance", "--text", LETTER, "--file", pdf)
    return claire.run("invite", *words)


@pytest.fixture
def jean(terminal, letter):
    person = terminal("jean")
    person.paper = person.run("account", "claim", "--link", letter["invitation_link"])
    return person
