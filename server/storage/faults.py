"""What can go wrong with a database, in the words of the writer."""

from __future__ import annotations

import enum


class Fault(enum.Enum):
    """What a failure inside the writer's transaction means for the batch, and for the writer."""

    INTENT = "the intent refused; the database has nothing to do with it"
    REFUSED = "the database refused a statement; the transaction is spoiled"
    FULL = "there is no room"
    LOST = "the database does not answer; it may again"
    BROKEN = "nobody knows what the disk holds; never write again"
