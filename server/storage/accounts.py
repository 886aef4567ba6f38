"""Accounts, chains, holders, activations, the directory and passkey blobs."""

from __future__ import annotations

from typing import Final

from server.domain.account import Account, Activation, Holder, Professional, words
from server.domain.ids import AccountId, HolderId
from server.storage.engine import Row
from server.storage.rows import Rows

_ACCOUNT: Final = (
    "a.id, a.kind, a.position, a.head, a.generation, a.unlocker, a.created_at, a.name, a.profession, a.identifier,"
    " a.certificate, a.accepts_patients, a.language, a.acked"
)
_HOLDER: Final = "id, account, kind, name, sign, active"


class SqlAccounts:
    """Everything that belongs to one account, except its sessions and feed."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    # --- accounts ---------------------------------------------------------------------------------------------------

    def get(self, account: AccountId) -> Account | None:
        """Return an account."""
        row = self._rows.one(f"SELECT {_ACCOUNT} FROM account a WHERE a.id = ?", account)  # noqa: S608
        return _account(row) if row else None

    def add(self, account: Account) -> None:
        """Store a new account; a professional also enters the directory."""
        self._rows.run(
            "INSERT INTO account (id, kind, position, head, generation, unlocker, created_at, name, profession,"
            " identifier, certificate, accepts_patients, language, acked)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            account.id, account.kind, account.position, account.head, account.generation, int(account.unlocker),
            account.created_at, *_professional(account), int(account.accepts_patients), account.language, account.acked,
        )  # fmt: skip
        if account.professional is not None:
            terms = [*words(account.professional.name), account.professional.identifier]
            self._rows.many(
                "INSERT INTO directory_word (word, account) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(term, account.id) for term in terms],
            )

    def save_chain(self, account: Account) -> None:
        """Store how far the chain has grown."""
        self._rows.run(
            "UPDATE account SET position = ?, head = ?, generation = ?, unlocker = ? WHERE id = ?",
            account.position, account.head, account.generation, int(account.unlocker), account.id,
        )  # fmt: skip

    def save_settings(self, account: AccountId, *, accepts_patients: bool, language: str | None) -> None:
        """Store what the account has chosen."""
        self._rows.run(
            "UPDATE account SET accepts_patients = ?, language = ? WHERE id = ?",
            int(accepts_patients),
            language,
            account,
        )

    # --- chain and holders ------------------------------------------------------------------------------------------

    def links(self, account: AccountId, after: int, limit: int) -> list[bytes]:
        """Return the links after a position (-1: from the genesis), ascending."""
        rows = self._rows.all(
            "SELECT wire FROM link WHERE account = ? AND position > ? ORDER BY position LIMIT ?", account, after, limit
        )
        return [row[0] for row in rows]

    def page_of_links(self, account: AccountId, after: int, limit: int) -> list[bytes]:
        """Return the same; fewer when they carry more than a page."""
        rows = self._rows.page(
            "SELECT l.wire, l.position, LENGTH(l.wire) AS carries FROM link l WHERE l.account = ? AND l.position > ?",
            "l.position",
            account, after, limit,
        )  # fmt: skip
        return [row[0] for row in rows]

    def add_links(self, account: AccountId, first: int, links: list[bytes]) -> None:
        """Append links, the first one at position ``first``."""
        self._rows.many(
            "INSERT INTO link (account, position, wire) VALUES (?, ?, ?)",
            [(account, position, wire) for position, wire in enumerate(links, first)],
        )

    def holder(self, holder: HolderId) -> Holder | None:
        """Return a holder of any account, ended ones included."""
        row = self._rows.one(f"SELECT {_HOLDER} FROM holder WHERE id = ?", holder)  # noqa: S608
        return _holder(row) if row else None

    def holders(self, account: AccountId) -> list[Holder]:
        """Return the holders of an account, ended ones included."""
        return [_holder(row) for row in self._rows.all(f"SELECT {_HOLDER} FROM holder WHERE account = ?", account)]  # noqa: S608

    def save_holder(self, holder: Holder) -> None:
        """Store a holder, or that it has ended."""
        self._rows.run(
            f"INSERT INTO holder ({_HOLDER}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET active = ?",  # noqa: S608
            holder.id, holder.account, holder.kind, holder.name, holder.sign, int(holder.active), int(holder.active),
        )  # fmt: skip

    def save_box(self, account: AccountId, holder: HolderId, generation: int, box: bytes) -> None:
        """Store the box of the user secret for a holder."""
        self._rows.run(
            "INSERT INTO secret_box (holder, generation, account, box) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (holder, generation) DO NOTHING",
            holder, generation, account, box,
        )  # fmt: skip

    def newest_box(self, holder: HolderId) -> tuple[int, bytes] | None:
        """Return the newest generation that a holder has a box of, and the box."""
        row = self._rows.one(
            "SELECT generation, box FROM secret_box WHERE holder = ? ORDER BY generation DESC LIMIT 1", holder
        )
        return (row[0], row[1]) if row else None

    def save_previous(self, account: AccountId, generation: int, sealed: bytes) -> None:
        """Store the sealed previous user secret of a generation."""
        self._rows.run(
            "INSERT INTO previous_secret (account, generation, sealed) VALUES (?, ?, ?)"
            " ON CONFLICT (account, generation) DO NOTHING",
            account, generation, sealed,
        )  # fmt: skip

    def previous(self, account: AccountId) -> list[tuple[int, bytes]]:
        """Return every sealed previous secret, ascending."""
        rows = self._rows.all(
            "SELECT generation, sealed FROM previous_secret WHERE account = ? ORDER BY generation", account
        )
        return [(row[0], row[1]) for row in rows]

    # --- activations, directory, passkeys ----------------------------------------------------------------------------

    def activation(self, token_hash: bytes) -> Activation | None:
        """Return an activation, used ones included."""
        row = self._rows.one(
            "SELECT token_hash, name, profession, identifier, expires, demo, account FROM activation"
            " WHERE token_hash = ?",
            token_hash,
        )
        return Activation(row[0], Professional(row[1], row[2], row[3]), row[4], bool(row[5]), row[6]) if row else None

    def add_activation(self, activation: Activation) -> None:
        """Store a new activation."""
        who = activation.professional
        self._rows.run(
            "INSERT INTO activation (token_hash, name, profession, identifier, expires, demo)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            activation.token_hash, who.name, who.profession, who.identifier, activation.expires, int(activation.demo),
        )  # fmt: skip

    def use_activation(self, token_hash: bytes, account: AccountId) -> None:
        """Store which account an activation has become."""
        self._rows.run("UPDATE activation SET account = ? WHERE token_hash = ?", account, token_hash)

    def search(self, terms: list[str], limit: int) -> list[Account]:
        """Return professionals whose name has a word beginning with each of ``terms``."""
        condition = " AND ".join(
            "EXISTS (SELECT 1 FROM directory_word w WHERE w.account = a.id AND w.word >= ? AND w.word < ?)"
            for _ in terms
        )
        bounds = [bound for term in terms for bound in (term, term + "\U0010ffff")]
        sql = f"SELECT {_ACCOUNT} FROM account a WHERE a.profession IS NOT NULL AND {condition} ORDER BY a.name LIMIT ?"  # noqa: S608
        return [_account(row) for row in self._rows.all(sql, *bounds, limit)]

    def open_pharmacies(self, profession: str, limit: int) -> list[Account]:
        """Return the professionals of ``profession`` who accept patients."""
        where = "a.accepts_patients = 1 AND a.profession = ? ORDER BY a.name LIMIT ?"
        sql = f"SELECT {_ACCOUNT} FROM account a WHERE {where}"  # noqa: S608
        return [_account(row) for row in self._rows.all(sql, profession, limit)]

    def passkey(self, credential: bytes) -> tuple[AccountId, bytes] | None:
        """Return the account and the sealed blob of a passkey credential."""
        row = self._rows.one("SELECT account, sealed FROM passkey WHERE credential = ?", credential)
        return (row[0], row[1]) if row else None

    def save_passkey(self, credential: bytes, account: AccountId, holder: HolderId, sealed: bytes) -> None:
        """Store the sealed blob of a passkey credential."""
        self._rows.run(
            "INSERT INTO passkey (credential, account, holder, sealed) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (credential) DO UPDATE SET holder = ?, sealed = ?",
            credential, account, holder, sealed, holder, sealed,
        )  # fmt: skip


def _professional(account: Account) -> tuple[str | None, str | None, str | None, bytes | None]:
    who = account.professional
    if who is None:
        return None, None, None, None
    return who.name, who.profession, who.identifier, account.certificate


def _account(row: Row) -> Account:
    return Account(
        id=row[0],
        kind=row[1],
        position=row[2],
        head=row[3],
        generation=row[4],
        unlocker=bool(row[5]),
        created_at=row[6],
        professional=Professional(row[7], row[8], row[9]) if row[8] is not None else None,
        certificate=row[10],
        accepts_patients=bool(row[11]),
        language=row[12],
        acked=row[13],
    )


def _holder(row: Row) -> Holder:
    return Holder(row[0], row[1], row[2], row[3], row[4], bool(row[5]))
