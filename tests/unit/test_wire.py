"""Events that are written out by hand are what the interface's own types say, to the letter."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from server.domain.events import Event, FeedEntry
from server.domain.ids import EnvelopeId, b64
from server.services.envelopes import Accepted
from server.services.feed import Missed
from server.transport import wire
from server.transport.rest.conversations import EventsShown
from server.transport.rest.feed import FeedShown

NUMBER = st.integers(0, 2**53 - 1)
ID = st.binary(min_size=32, max_size=32)
ATTACHMENTS = st.lists(st.text("abcXYZ019-_", min_size=22, max_size=22), max_size=3)

envelopes = st.builds(
    Event,
    conversation=ID,
    seq=NUMBER,
    type=st.just("envelope"),
    at=NUMBER,
    author=ID,
    epoch=NUMBER,
    kind=st.sampled_from(["message", "receipt", "end"]),
    envelope_id=ID,
    body=st.none() | st.binary(max_size=1_000),
    detail=st.none() | st.builds(lambda names: {"attachments": names}, ATTACHMENTS),
)
epochs = st.builds(
    lambda conversation, seq, author, record, box: Event(
        conversation, seq, "epoch", 1, author, 1, body=record, boxes={} if box is None else {b"r" * 32: box}
    ),
    ID,
    NUMBER,
    ID,
    st.binary(max_size=100),
    st.none() | st.binary(max_size=100),
)
others = st.builds(
    lambda conversation, seq, author: Event(conversation, seq, "left", 1, author, 1, detail={"account": 'é"\\'}),
    ID,
    NUMBER,
    ID,
)
READER = b"r" * 32


def entry(told):
    conversation, event = b64(told.event.conversation), wire.event(told.event, READER)
    return wire.FeedEntryWire(position=told.position, conversation=conversation, event=event)


@given(ID, NUMBER, NUMBER)
def test_the_place_of_an_envelope_is_what_its_type_says(envelope, seq, at):
    place = Accepted(EnvelopeId(envelope), seq, at, again=False)
    assert b"{" + wire.accepted_json(place) + b"}" == msgspec.json.encode(wire.accepted(place))


@given(st.lists(envelopes | epochs | others, max_size=4), NUMBER)
def test_a_page_of_events_is_what_its_type_says(events, last):
    shown = EventsShown(events=[wire.event(each, READER) for each in events], last_seq=last)
    assert wire.events_json(events, READER, last) == msgspec.json.encode(shown)


@given(st.lists(envelopes | epochs | others, max_size=4), NUMBER, NUMBER, NUMBER)
def test_a_page_of_a_feed_is_what_its_type_says(events, position, first, last):
    missed = Missed([FeedEntry(number, each) for number, each in enumerate(events, 1)], first, last)
    shown = FeedShown(events=[entry(each) for each in missed.entries], position=position, first=first, last=last)
    assert wire.feed_json(missed, READER, position) == msgspec.json.encode(shown)
