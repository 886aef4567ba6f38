"""Every table, once. Portable between SQLite and PostgreSQL; ids are bytes, times are milliseconds."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Int: Final = BigInteger().with_variant(Integer(), "sqlite")  # STRICT tables know no BIGINT


def _blob(name: str, **options: Any) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=options.pop("nullable", False), **options)


def _int(name: str, **options: Any) -> Column[int]:
    return Column(name, _Int, nullable=options.pop("nullable", False), **options)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=options.pop("nullable", False), **options)


def _table(name: str, *parts: Any, clustered: bool = False) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True, sqlite_with_rowid=not clustered)


account = _table(
    "account",
    _blob("id", primary_key=True),
    _text("kind"),
    _int("position"),
    _blob("head"),
    _int("generation"),
    _int("unlocker"),  # 1: an active recovery or passkey holder exists beside a device
    _text("name", nullable=True),  # the next four: what the operator has checked, professionals only
    _text("profession", nullable=True),
    _text("identifier", nullable=True),
    _blob("certificate", nullable=True),
    _int("accepts_patients"),
    _text("language", nullable=True),
    _int("acked"),  # feed position up to which everything is on a device
    _int("created_at"),
)
link = _table(
    "link",
    _blob("account", primary_key=True),
    _int("position", primary_key=True),
    _blob("wire"),
)
holder = _table(
    "holder",
    _blob("id", primary_key=True),
    _blob("account", index=True),
    _text("kind"),
    _text("name"),
    _blob("sign"),
    _int("active"),
)
secret_box = _table(
    "secret_box",
    _blob("holder", primary_key=True),
    _int("generation", primary_key=True),
    _blob("account"),
    _blob("box"),
)
previous_secret = _table(
    "previous_secret",
    _blob("account", primary_key=True),
    _int("generation", primary_key=True),
    _blob("sealed"),
)
directory_word = _table(
    "directory_word",
    _text("word", primary_key=True),
    _blob("account", primary_key=True),
    clustered=True,
)
activation = _table(
    "activation",
    _blob("token_hash", primary_key=True),
    _text("name"),
    _text("profession"),
    _text("identifier"),
    _int("demo"),
    _int("expires"),
    _blob("account", nullable=True),
)
session = _table(
    "session",
    _blob("id", primary_key=True),
    _blob("token_hash", unique=True),
    _blob("account", index=True),
    _blob("holder", index=True),
    _int("created"),
    _int("last_used"),
    _int("expires"),
)
passkey = _table(
    "passkey",
    _blob("credential", primary_key=True),
    _blob("account"),
    _blob("holder"),
    _blob("sealed"),
)
conversation = _table(
    "conversation",
    _blob("id", primary_key=True),
    _int("epoch"),
    _blob("head"),  # hash of the newest epoch record
    _int("last_seq"),
    _int("last_at"),
    _text("reply"),
    _int("until", nullable=True),
    _blob("policy_by", nullable=True),
    _int("patient_gone", server_default="0"),  # 1: the patient has left, and no other has come
)
epoch = _table(
    "epoch",
    _blob("conversation", primary_key=True),
    _int("epoch", primary_key=True),
    _int("seq"),
    _blob("hash"),
    _blob("record"),
)
epoch_box = _table(
    "epoch_box",
    _blob("conversation", primary_key=True),
    _blob("member", primary_key=True),
    _int("epoch", primary_key=True),
    _blob("box"),
)
member = _table(
    "member",
    _blob("conversation", primary_key=True),
    _blob("account", primary_key=True),
    _text("role"),
    _text("history"),
    _int("writes"),  # 0: a delegate that may only read
    _int("since"),  # seq of the epoch event that brought it in
    _int("left", nullable=True),  # seq of the event that took it out
    _int("read_seq"),
    _int("delivered_seq"),
)
Index("ix_member_account", member.c.account)
reply_right = _table(
    "reply_right",
    _blob("patient", primary_key=True),
    _blob("professional", primary_key=True),
    _int("is_open"),  # 1: the patient may open a subject
    _int("blocked_at", nullable=True),  # since when the patient takes nothing from the other
    clustered=True,
)
event = _table(
    "event",
    _blob("conversation", primary_key=True),
    _int("seq", primary_key=True),
    _text("type"),
    _int("at"),
    _blob("author"),
    _int("epoch"),
    _text("kind", nullable=True),
    _blob("envelope_id", nullable=True),
    _blob("body", nullable=True),  # the envelope; null when retracted
    _text("detail", nullable=True),  # JSON of what the type adds
)
Index("ix_event_envelope_id", event.c.envelope_id, unique=True)
feed = _table(
    "feed",
    _blob("account", primary_key=True),
    _int("position", primary_key=True),
    _blob("conversation"),
    _int("seq"),
    clustered=True,
)
invitation = _table(
    "invitation",
    _blob("id", primary_key=True),
    _blob("conversation", index=True),
    _blob("member", unique=True),
    _blob("sign"),
    _blob("enc"),
    _int("expires"),
    _text("state"),  # open, claimed, replaced
    _blob("locator", nullable=True, unique=True),
    _blob("code_box", nullable=True),
    _blob("claimed_by", nullable=True),
)
attachment = _table(
    "attachment",
    _blob("id", primary_key=True),
    _blob("account", index=True),
    _int("size"),
    _int("received"),
    _int("created_at"),
)
attachment_link = _table(
    "attachment_link",
    _blob("attachment", primary_key=True),
    _blob("conversation", primary_key=True),
    _int("seq", server_default="0"),  # of the newest event that names it
)
Index("ix_attachment_link_conversation", attachment_link.c.conversation, attachment_link.c.seq)
log_beginning = _table(
    "log_beginning",
    _blob("conversation", primary_key=True),
    _int("first"),  # told by an event: messages before it have no bytes any more
    _int("before"),  # they were older than that
    _int("cleared"),  # the bytes before it are gone; never above first
    clustered=True,
)
feed_beginning = _table(
    "feed_beginning",
    _blob("account", primary_key=True),
    _int("first"),  # the oldest entry that is kept
    clustered=True,
)
journal = _table(
    "journal",
    _blob("account", primary_key=True),
    _int("position", primary_key=True),
    _text("kind"),
    _int("at"),
    _blob("who"),
    _blob("conversation"),
    _blob("attachment", nullable=True),
    _blob("previous"),  # hash of the entry before
    clustered=True,
)
Index("ix_journal_visit", journal.c.account, journal.c.who, journal.c.conversation, journal.c.kind, journal.c.at)
journal_end = _table(
    "journal_end",
    _blob("account", primary_key=True),
    _int("first"),  # everything before it was removed by retention
    _int("last"),
    _blob("head"),  # hash of the newest entry
    clustered=True,
)
job = _table(
    "job",
    _text("name", primary_key=True),
    _blob("holder"),  # the node that has it, or had it last
    _int("token"),  # grows with each taking: what an older one still wants to write is refused
    _int("until"),  # the lease ends then, whatever has become of the holder; 0: given back
    _int("began"),
    _int("done", nullable=True),  # when it was last brought to its end
    _int("removed"),  # by that run
    clustered=True,
)
turn = _table(
    "turn",
    _int("id", primary_key=True, autoincrement=False),
    _int("number"),  # grows by one with each batch of any node; whoever has its row is the one who writes
)
spent_stamp = _table(
    "spent_stamp",
    _blob("stamp", primary_key=True),
    _int("ends"),
    clustered=True,
)
