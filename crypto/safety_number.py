"""Sixty digits that two people compare to know that nobody stands between them.

Source: docs/spec/protocol.md 5.5.
"""

from crypto.suite import digest


def compute(mine: bytes, theirs: bytes) -> str:
    """The number of two accounts (ids of 32 bytes), the same on both sides: twelve groups of five digits."""
    groups = [group for account in sorted((mine, theirs)) for group in _groups(account)]
    return " ".join(groups)


def _groups(account: bytes) -> list[str]:
    hashed = digest("safety-number", account)
    return [f"{int.from_bytes(hashed[i : i + 5]) % 100_000:05}" for i in range(0, 30, 5)]
