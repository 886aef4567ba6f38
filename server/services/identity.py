"""Who this server is towards its clients. Source: docs/spec/protocol.md 5.4 and 9.2."""

from __future__ import annotations

from dataclasses import dataclass

from crypto.sign import SigningKey


@dataclass(frozen=True, slots=True, repr=False)
class ServerIdentity:
    """The server's id (16 bytes), the registry key that signs certificates, and the salt of typed codes (16 bytes)."""

    id: bytes
    registry: SigningKey
    code_salt: bytes
