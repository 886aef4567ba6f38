"""What is written about the interface is what the server does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from server.admin import describe
from server.domain import errors
from server.transport.rest.problems import MEANINGS, PROTOCOL, PROTOCOL_CODES
from server.transport.rest.routes import OPERATIONS

ROOT = Path(__file__).parents[2]


def test_the_committed_description_is_the_one_that_the_code_gives():
    assert (ROOT / "docs" / "api" / "openapi.json").read_text() == describe.document(), "run `make api`"


def test_every_operation_is_described_once_and_every_reference_leads_somewhere():
    described = describe.openapi()
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert sorted(names) == sorted(operation.name for operation in OPERATIONS)
    assert len(set(names)) == len(names)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described))):
        assert name in described["components"]["schemas"]


def kinds(root=errors.DomainError):
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


def test_every_refusal_of_the_rules_has_one_code_a_status_and_a_hint():
    own = [kind for kind in kinds() if kind not in {errors.DomainError, errors.ProtocolRefusalError}]
    codes = [kind.code for kind in own]
    assert len(set(codes)) == len(codes)
    for code in codes:
        assert code in MEANINGS
        assert MEANINGS[code].title
        assert MEANINGS[code].hint


def specified():
    table = (ROOT / "docs" / "spec" / "errors.md").read_text()
    return {code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", table, re.MULTILINE)}


def test_the_specification_and_the_server_say_the_same_status_of_every_code():
    assert {code: meaning.status for code, meaning in MEANINGS.items()} == specified()
    assert PROTOCOL.status == 422


def test_the_protocols_own_codes_are_those_of_its_specification():
    text = (ROOT / "docs" / "spec" / "protocol.md").read_text()
    listed = re.search(r"## 13 Errors of the protocol\n`([^`]+)`", text)
    assert listed
    assert set(PROTOCOL_CODES) == set(listed.group(1).rstrip(".").split())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_only_promises_codes_that_exist(operation):
    assert set(operation.refuses) <= {*MEANINGS, *PROTOCOL_CODES}
