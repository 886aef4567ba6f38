"""A session: a token for a signature over the server's challenge. Source: docs/spec/protocol.md 10, api.md 3."""

from dataclasses import dataclass

from bridges.kit.api import Api
from bridges.kit.errors import UnreachableError
from crypto import session
from crypto.holder import Holder


@dataclass(slots=True)
class Session:
    """Keeps a bearer token for one holder and renews it when the server has forgotten it."""

    holder: Holder
    server_id: bytes
    token: str | None = None
    account: bytes | None = None

    async def bearer(self, api: Api, *, fresh: bool) -> str:
        """Give a token; raises RefusedError (``signature_refused``) when the holder is not active."""
        if fresh or self.token is None:
            challenge = await api.challenge(self.holder.id)
            signature = session.answer(self.holder, server=self.server_id, challenge=challenge.challenge)
            grant = await api.open_session(self.holder.id, challenge.challenge, signature)
            if grant.token is None:
                raise UnreachableError("bad_answer", "no token in the answer")
            self.token, self.account = grant.token, grant.account
        return self.token
