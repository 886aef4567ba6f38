"""One list of error codes: the page, the server, the terminal and the web client say the same."""

import importlib
import pkgutil
import re
from typing import get_args

import pytest

import server
from bridges.kit import errors as kit_errors
from bridges.kit import words
from crypto.errors import ALARMS, Code
from server.domain.errors import DomainError
from server.transport.rest import problems

ROW = re.compile(r"^\| `([a-z_]+)` \| (\d{3}) \| (\d) \|", re.MULTILINE)
ON_DEVICE = {"bad_code", "bad_check"}


@pytest.fixture(scope="module")
def page(root) -> dict[str, tuple[int, int]]:
    """Code → (HTTP status, exit code of the terminal)."""
    found = ROW.findall((root / "docs/spec/errors.md").read_text())
    return {code: (int(status), int(end)) for code, status, end in found}


@pytest.fixture(scope="module")
def protocol(root) -> set[str]:
    text = (root / "docs/spec/protocol.md").read_text().partition("## 13 ")[2]
    return set(re.search(r"`([a-z_ ]+)`", text)[1].split())


def test_the_server_answers_what_the_page_says(page):
    assert {code: meaning.status for code, meaning in problems.MEANINGS.items()} == {
        code: status for code, (status, _) in page.items()
    }


def test_every_refusal_of_the_server_has_a_meaning():
    for module in pkgutil.walk_packages(server.__path__, "server."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds, found = [DomainError], set()
    for kind in kinds:
        kinds += kind.__subclasses__()
        found.add(kind.code)
    assert found - set(get_args(Code)) <= set(problems.MEANINGS)


def test_both_implementations_know_the_errors_of_the_protocol(root, protocol):
    assert set(get_args(Code)) == protocol
    assert protocol >= ALARMS
    text = (root / "web/src/protocol/errors.ts").read_text()
    assert not {code for code in protocol if f'"{code}"' not in text}


def test_the_terminal_ends_as_the_page_says(page, protocol):
    assert {code: kit_errors.exit_code(code) for code in page} == {code: end for code, (_, end) in page.items()}
    assert all(kit_errors.exit_code(code) == 6 for code in protocol - ON_DEVICE - set(page))
    assert all(kit_errors.exit_code(code) == 2 for code in ON_DEVICE)


def test_the_terminal_has_words_for_every_code(page):
    assert not set(page) - set(words.SENTENCES)  # failed checks of the protocol share one sentence


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_web_client_has_words_for_every_code(root, page, protocol, language):
    text = "".join(path.read_text() for path in (root / "web/src/i18n" / language).glob("*.ts"))
    missing = {code for code in set(page) | protocol if not re.search(rf"\b\"?(error\.)?{code}\"?\s*:", text)}
    assert not missing
