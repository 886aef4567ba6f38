"""The main path over real sockets: a doctor writes to somebody without an account, who reads and answers."""

from __future__ import annotations

from crypto.codec import b64
from tests.fakes.peer import Peer


async def test_a_letter_is_read_and_answered(server, people):
    claire = await people("Claire Martin")
    letter = await claire.invite("Ordonnance", "Voici votre ordonnance.")
    jean = await people(letter)
    assert await jean.read(letter.conversation) == ["Voici votre ordonnance."]
    said = await jean.say(letter.conversation, "Merci !")
    assert said["state"] == "accepted"
    assert await claire.read(letter.conversation) == ["Voici votre ordonnance.", "Merci !"]
