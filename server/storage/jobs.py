"""The leases of background jobs: one row each, changed by whoever takes it."""

from __future__ import annotations

from server.services.records import JobState, LeaseLostError
from server.storage.rows import Rows


class SqlJobs:
    """Who may run which job."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def take(self, name: str, holder: bytes, *, now: int, lease: int, every: int) -> int | None:
        """Take a job that is due and that nobody has; return the token of the lease, or none."""
        row = self._rows.one("SELECT token, until, began FROM job WHERE name = ?", name)
        if row is None:
            sql = "INSERT INTO job (name, holder, token, until, began, removed) VALUES (?, ?, 1, ?, ?, 0)"
            self._rows.run(sql, name, holder, now + lease, now)
            return 1
        token, until, began = row
        held = now < until <= now + lease  # a lease further off was taken by a clock that has been set back since
        rests = began <= now < began + every
        if held or rests:
            return None
        sql = "UPDATE job SET holder = ?, token = ?, until = ?, began = ? WHERE name = ?"
        self._rows.run(sql, holder, token + 1, now + lease, now, name)
        return int(token) + 1

    def hold(self, name: str, token: int, *, until: int) -> None:
        """Go on with a lease.

        Raises:
            LeaseLostError: somebody else has taken it.

        """
        if not self._rows.run("UPDATE job SET until = ? WHERE name = ? AND token = ?", until, name, token):
            raise LeaseLostError(name)

    def finish(self, name: str, token: int, *, done: int | None, removed: int) -> None:
        """Give a lease back; ``done``: when it came to its end, none if it failed. Nothing if it was lost."""
        if done is None:
            self._rows.run("UPDATE job SET until = 0 WHERE name = ? AND token = ?", name, token)
        else:
            sql = "UPDATE job SET until = 0, done = ?, removed = ? WHERE name = ? AND token = ?"
            self._rows.run(sql, done, removed, name, token)

    def states(self) -> list[JobState]:
        """Return every job that has ever been taken."""
        rows = self._rows.all("SELECT name, token, until, began, done, removed FROM job ORDER BY name")
        return [JobState(*row) for row in rows]
