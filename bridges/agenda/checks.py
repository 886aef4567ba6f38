"""The sentences of the contract, each as a function that tries it. Source: docs/spec/agenda.md 6.

Every check cleans up behind itself, also when it fails, and works on slots of its own.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Final, TypeVar

from bridges.agenda.conformance import Agenda, Check, fail, require
from bridges.agenda.provider import (
    Ability,
    Appointment,
    Capabilities,
    Change,
    ChangedError,
    Hold,
    Provider,
    RefusedError,
    Slot,
    SlotGoneError,
    UnknownOutcomeError,
    UnsupportedError,
    Window,
)

RIVALS: Final = 20  # people who want one slot at once
REPEATS: Final = 2  # of a call whose outcome is unknown
_Answer = TypeVar("_Answer")


async def says_what_it_can(agenda: Agenda) -> None:
    """Capabilities are the same twice, and name an adapter."""
    first, second = agenda.provider.capabilities(), agenda.provider.capabilities()
    require(first == second, "the answer changes")
    require(isinstance(first, Capabilities) and first.adapter, "no name")
    require(first.longest_window > timedelta(), "a window that holds nothing")


async def refuses_what_it_cannot(agenda: Agenda) -> None:
    """An ability that is not declared raises UnsupportedError."""
    provider = agenda.provider
    asked: dict[Ability, Callable[[], Awaitable[object]]] = {
        Ability.FIND: lambda: provider.find(agenda.window),
        Ability.CHANGES: provider.changes,
        Ability.LINK: provider.link,
    }
    for ability in asked.keys() - provider.capabilities().abilities:
        try:
            await asked[ability]()
        except UnsupportedError:
            continue
        fail(f"{ability} answers, and is not declared")


async def finds_in_order_inside_the_window(agenda: Agenda) -> None:
    """Slots begin inside the window, earliest first, and have a name each."""
    found = await agenda.provider.find(agenda.window)
    require(found, "no free slot in the window: choose another one")
    require(all(agenda.window.start <= slot.start < agenda.window.end for slot in found), "outside of the window")
    require(all(one.start <= other.start for one, other in pairwise(found)), "not in order")
    require(len({slot.reference for slot in found}) == len(found), "two slots of one name")
    require(all(0 < len(slot.reference) <= 200 for slot in found), "a reference that is too long, or empty")


async def finds_the_same_twice(agenda: Agenda) -> None:
    """What nobody changes stays as it is."""
    require(await agenda.provider.find(agenda.window) == await agenda.provider.find(agenda.window), "another answer")


async def refuses_a_window_that_is_too_long(agenda: Agenda) -> None:
    """A window beyond the declared length is refused, not cut."""
    longest = agenda.provider.capabilities().longest_window
    too_long = Window(start=agenda.window.start, end=agenda.window.start + longest + timedelta(days=2))
    try:
        await agenda.provider.find(too_long)
    except RefusedError:
        return
    fail("a window that is too long was answered")


async def a_held_slot_is_not_offered(agenda: Agenda) -> None:
    """A hold takes the slot away from others, a release gives it back."""
    async with _held(agenda) as hold:
        require(hold.slot not in await agenda.provider.find(agenda.window), "still offered")
        await _expect_gone(agenda.provider, hold.slot)
    require(hold.slot in await agenda.provider.find(agenda.window), "not given back")


async def a_hold_is_made_once(agenda: Agenda) -> None:
    """The same key gives the same hold."""
    async with _held(agenda) as hold:
        again = await agenda.provider.hold(hold.slot, holder=hold.holder, until=hold.until, key=hold.holder)
        require(again.reference == hold.reference, "another hold")


async def only_what_is_offered_is_held(agenda: Agenda) -> None:
    """A slot that the agenda does not offer cannot be held, whatever its name."""
    slot = await _slot(agenda)
    odd = replace(slot, start=slot.start + timedelta(minutes=1), end=slot.end + timedelta(minutes=1))
    await _expect_gone(agenda.provider, odd)


async def a_booking_takes_the_time(agenda: Agenda) -> None:
    """What is booked is what was held, and is not offered any more."""
    async with _booked(agenda) as (hold, made):
        require((made.start, made.end) == (hold.slot.start, hold.slot.end), "another time")
        require(made.state == "booked", "not booked")
        require(made.reference, "no reference")
        require(hold.slot not in await agenda.provider.find(agenda.window), "still offered")


async def a_booking_is_made_once(agenda: Agenda) -> None:
    """The same key gives the same appointment."""
    async with _booked(agenda) as (hold, made):
        again = await agenda.provider.book(hold, key=hold.holder)
        require(again.reference == made.reference, "a second appointment")


async def one_of_many_wins(agenda: Agenda) -> None:
    """Of many people who want one slot at once, one gets it."""
    slot = await _slot(agenda)

    async def want() -> tuple[Hold, Appointment] | None:
        key = _key()
        try:
            hold = await agenda.provider.hold(slot, holder=key, until=agenda.now() + timedelta(minutes=5), key=key)
            return hold, await _surely(lambda: agenda.provider.book(hold, key=key))
        except SlotGoneError:
            return None

    ended = await asyncio.gather(*(want() for _ in range(RIVALS)), return_exceptions=True)
    winners = [each for each in ended if isinstance(each, tuple)]
    for _, made in winners:
        await agenda.provider.cancel(made, by="practice", key=_key())
    broken = [each for each in ended if isinstance(each, BaseException)]
    require(not broken, f"{len(broken)} ended otherwise: {broken[:1]}")
    require(len(winners) == 1, f"{len(winners)} winners")


async def a_cancelled_time_is_free(agenda: Agenda) -> None:
    """Cancelling gives the time back, and is no error the second time."""
    async with _booked(agenda) as (hold, made):
        gone = await agenda.provider.cancel(made, by="patient", key=_key())
        require(gone.state == "cancelled", "not cancelled")
        require(hold.slot in await agenda.provider.find(agenda.window), "the time is not free")
        again = await agenda.provider.cancel(made, by="patient", key=_key())
        require(again.state == "cancelled", "a second time is an error")


async def a_move_frees_the_old_time(agenda: Agenda) -> None:
    """Moving keeps the reference, takes the new time and frees the old one."""
    async with _booked(agenda) as (hold, made), _held(agenda) as other:
        now = await _surely(lambda: agenda.provider.reschedule(made, other, key=other.holder))
        require(now.reference == made.reference, "another reference")
        require((now.start, now.end) == (other.slot.start, other.slot.end), "another time")
        found = await agenda.provider.find(agenda.window)
        require(hold.slot in found, "the old time is not free")
        require(other.slot not in found, "the new time is still offered")
        again = await _surely(lambda: agenda.provider.reschedule(made, other, key=other.holder))
        require((again.start, again.end) == (other.slot.start, other.slot.end), "the second time is another move")


async def what_is_gone_is_not_moved(agenda: Agenda) -> None:
    """An appointment that was cancelled cannot be moved."""
    async with _booked(agenda) as (_, made), _held(agenda) as other:
        await agenda.provider.cancel(made, by="practice", key=_key())
        try:
            await agenda.provider.reschedule(made, other, key=other.holder)
        except (ChangedError, RefusedError):
            return
        fail("it was moved")


async def changes_begin_and_go_on(agenda: Agenda) -> None:
    """An empty cursor begins, the next one goes on, a cursor from elsewhere begins again."""
    first = await agenda.provider.changes()
    require(first.cursor, "no cursor")
    await agenda.provider.changes(first.cursor)
    odd = await agenda.provider.changes('{"token": "data:,pli-unknown-token"}')
    require(odd.cursor, "an unknown cursor gives no new one")


async def what_we_did_is_no_news(agenda: Agenda) -> None:
    """What was booked through us is not told as a change of the practice."""
    cursor = (await agenda.provider.changes()).cursor
    async with _booked(agenda) as (_, made):
        told = await agenda.provider.changes(cursor)
        news: list[Change] = [each for each in told.changes if each.reference == made.reference and each.kind != "seen"]
        require(not news, "told as news")


async def the_page_is_a_page(agenda: Agenda) -> None:
    """The link is an address of the web."""
    found = await agenda.provider.link()
    require(found.url.startswith("https://"), "no https address")


async def _surely(ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Do as the contract says when an outcome is unknown: the same again, with the same key."""
    for _ in range(REPEATS):
        try:
            return await ask()
        except UnknownOutcomeError:
            continue
    return await ask()


async def _slot(agenda: Agenda) -> Slot:
    """Take the last free slots of the window, which are the least likely to be wanted while we try."""
    found = await agenda.provider.find(agenda.window)
    require(found, "no free slot in the window: choose another one")
    return found[-1]


@asynccontextmanager
async def _held(agenda: Agenda) -> AsyncIterator[Hold]:
    key = _key()
    slot = await _slot(agenda)
    hold = await agenda.provider.hold(slot, holder=key, until=agenda.now() + timedelta(minutes=5), key=key)
    try:
        yield hold
    finally:
        await agenda.provider.release(hold)


@asynccontextmanager
async def _booked(agenda: Agenda) -> AsyncIterator[tuple[Hold, Appointment]]:
    async with _held(agenda) as hold:
        made = await _surely(lambda: agenda.provider.book(hold, key=hold.holder))
        try:
            yield hold, made
        finally:
            await _clean(agenda.provider, made)


async def _clean(provider: Provider, made: Appointment) -> None:
    """Cancel, whatever became of it meanwhile."""
    if provider.capabilities().can(Ability.CANCEL):
        try:
            await provider.cancel(replace(made, version=""), by="practice", key=_key())
        except ChangedError as error:
            if error.current is not None:
                await provider.cancel(error.current, by="practice", key=_key())


async def _expect_gone(provider: Provider, slot: Slot) -> None:
    key = _key()
    try:
        hold = await provider.hold(slot, holder=key, until=slot.start, key=key)
    except (SlotGoneError, RefusedError):
        return
    await provider.release(hold)
    fail("it was held")


def _key() -> str:
    return f"conformance-{secrets.token_hex(8)}"


_FIND = frozenset({Ability.FIND})
_HOLD = _FIND | {Ability.HOLD}
_BOOK = _HOLD | {Ability.BOOK, Ability.CANCEL}
_MOVE = _BOOK | {Ability.RESCHEDULE}
_NEWS = frozenset({Ability.CHANGES})

CHECKS: Final = [
    Check(name=run.__name__, needs=frozenset(needs), run=run)
    for run, needs in (
        (says_what_it_can, ()),
        (refuses_what_it_cannot, ()),
        (finds_in_order_inside_the_window, _FIND),
        (finds_the_same_twice, _FIND),
        (refuses_a_window_that_is_too_long, _FIND),
        (a_held_slot_is_not_offered, _HOLD),
        (a_hold_is_made_once, _HOLD),
        (only_what_is_offered_is_held, _HOLD),
        (a_booking_takes_the_time, _BOOK),
        (a_booking_is_made_once, _BOOK),
        (one_of_many_wins, _BOOK),
        (a_cancelled_time_is_free, _BOOK),
        (a_move_frees_the_old_time, _MOVE),
        (what_is_gone_is_not_moved, _MOVE),
        (changes_begin_and_go_on, _NEWS),
        (what_we_did_is_no_news, _NEWS | _BOOK),
        (the_page_is_a_page, {Ability.LINK}),
    )
]
