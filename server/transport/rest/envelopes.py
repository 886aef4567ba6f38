"""Sealed messages in, and taken back. Source: docs/spec/api.md 5."""

from __future__ import annotations

from server.domain.ids import ConversationId, EnvelopeId
from server.transport import wire
from server.transport.rest.operations import Answer, Call, Operation, Role
from server.transport.wire import AcceptedWire, SubmissionWire


async def submit(call: Call) -> Answer:
    """Hand in an envelope; answered when it is on the disk."""
    conversation = ConversationId(call.ids["conversation"])
    accepted = await call.services.envelopes.submit(call.who, conversation, wire.submission(call.body))
    return Answer(wire.accepted(accepted), 200 if accepted.again else 201)


async def retract(call: Call) -> None:
    """Take back one's own envelope that nobody else has read."""
    conversation, envelope = ConversationId(call.ids["conversation"]), EnvelopeId(call.ids["envelope"])
    await call.services.envelopes.retract(call.who, conversation, envelope)


OPERATIONS = (
    Operation(
        name="submitEnvelope",
        method="POST",
        path="/v1/conversations/{conversation}/envelopes",
        role=Role.MEMBER,
        summary="Hand in a sealed message; 200 when it was there already",
        handler=submit,
        request=SubmissionWire,
        response=AcceptedWire,
        status=201,
        refuses=(
            "stale_epoch",
            "reply_not_allowed",
            "patient_blocked",
            "patient_left",
            "not_permitted",
            "unlocker_missing",
            "envelope_too_large",
            "wrong_conversation",
            "attachment_unknown",
            "too_many_tries",
        ),
        checks_protocol=True,
    ),
    Operation(
        name="retractEnvelope",
        method="DELETE",
        path="/v1/conversations/{conversation}/envelopes/{envelope}",
        role=Role.MEMBER,
        summary="Take back one's own message that nobody else has read",
        handler=retract,
        status=204,
        refuses=("already_read", "not_permitted"),
    ),
)
