"""The group appointments."""

from collections.abc import Mapping, Sequence
from typing import Any

from vectors import reminders
from vectors.kit import DAY, NOW, Group, drbg

from bridges.kit import appointments
from crypto.codec import b64

HOUR, MINUTE = 3_600_000, 60_000
START = NOW - NOW % DAY + 9 * HOUR  # 9:00 UTC on the day of the vectors
ABOUT = {
    "bring": ["Carte Vitale", "Bilan sanguin"],
    "cancel_before": 24 * 60,
    "concerned": None,
    "link": "",
    "mode": "practice",
    "note": "",
    "place": "Cabinet des Lilas",
    "what": "Consultation",
    "zone": "Europe/Paris",
}
DOCTOR, PATIENT, DELEGATE, CARER, AUTOMATE = "owner", "patient", "delegate", "member", "service"
Entry = dict[str, Any]


def slot(days: int, hour: float = 0, minutes: int = 20, ref: str = "") -> Entry:
    start = START + days * DAY + int(hour * HOUR)
    return {"start": start, "end": start + minutes * MINUTE, "ref": ref}


class Log:
    """Acts in order; each is named, so that a case can be read."""

    def __init__(self, name: str) -> None:
        self._draw = drbg(f"appointments/{name}")
        self.entries: list[Entry] = []
        self.ids: dict[str, str] = {}

    def say(self, name: str, role: str, act: str, of: str | None = None, at: int = 0, **fields: Any) -> "Log":
        """``at``: minutes after NOW. Names among ``of``, ``proposal`` and ``answers`` become ids."""
        for key in ("proposal", "answers"):
            if key in fields:
                fields[key] = self.ids.get(fields[key], fields[key])
        caring = role in {"owner", "professional"}
        payload = {"version": 1, "act": act, "appointment": self.ids.get(of, of) if of else None}
        word = "open" if act in {"propose", "offer"} else "keep"
        return self.raw(name, role, {**payload, "reply": word if caring else None, **fields}, at)

    def raw(self, name: str, role: str, payload: Mapping[str, Any], at: int = 0) -> "Log":
        self.ids[name] = b64(self._draw(32))
        author = "doctor" if role in {"owner", "service"} else role
        said = {"id": self.ids[name], "at": NOW + at * MINUTE, "author": author, "role": role, "payload": dict(payload)}
        self.entries.append(said)
        return self

    def propose(self, name: str, slots: Sequence[Entry], at: int = 5, of: str | None = "p", **more: Any) -> "Log":
        fields = {"expires": NOW + 5 * DAY, **ABOUT, **more}
        return self.say(name, DOCTOR, fields.pop("act", "propose"), of, at, slots=slots, **fields)

    def accept(self, name: str = "a", at: int = 5, role: str = PATIENT, of: str = "p", **which: Any) -> "Log":
        return self.say(name, role, "accept", of, at, **{"proposal": "p", "slot": 0, **which})

    def refuse(self, at: int = 5, proposal: str = "p") -> "Log":
        return self.say("r", PATIENT, "refuse", "p", at, proposal=proposal, note="")

    def confirm(self, answers: str = "a", at: int = 6, role: str = DOCTOR) -> "Log":
        return self.say(f"c{answers}{at}", role, "confirmed", "p", at, answers=answers)

    def fail(self, answers: str = "a", reason: str = "gone", at: int = 6) -> "Log":
        return self.say("f", DOCTOR, "failed", "p", at, answers=answers, reason=reason)

    def cancel(self, role: str, at: int = 30, source: str = "person", name: str = "x") -> "Log":
        return self.say(name, role, "cancel", "p", at, note="", source=source)

    def book(self, at: int = 5, name: str = "k", of: str | None = "p", **changed: Any) -> "Log":
        fields = {"slot": slot(8), "source": "person", **ABOUT, **changed}
        return self.say(name, DOCTOR, "booked", of, at, **fields)

    def move(self, at: int = 30, role: str = DOCTOR, source: str = "person") -> "Log":
        return self.say("m", role, "move", "p", at, slot=slot(8), note="", source=source)


def proposed(name: str, slots: Sequence[Entry] = (), **about: Any) -> Log:
    chosen = list(slots) or [slot(3), slot(4)]
    return Log(name).propose("p", chosen, 0, None, **{"expires": NOW + 2 * DAY, **about})


def booked(name: str, **about: Any) -> Log:
    return proposed(name, **about).accept().confirm()


def appointments_group() -> Group:
    group = Group("appointments", "acts about appointments, and the state that follows (appointments.md)")
    _read(group)
    _refused(group)
    for now, name, log in [*_choosing(), *_moving(), *_booking(), *_closing(), *_others()]:
        group.ok(name, "derive", now=NOW + now * MINUTE, log=log.entries)
    reminders.add(group)
    return group


def _payloads() -> dict[str, Entry]:
    log = proposed("payloads")
    log.say("ask", PATIENT, "ask", wish="Le matin si possible", concerned="Léa Dupont")
    log.propose("offer", [slot(1)], 0, None, act="offer", link="https://visio.example/x1", mode="remote")
    log.accept(slot=1).refuse().confirm().fail().move(source="agenda").cancel(DOCTOR)
    log.say("other_wish", PATIENT, "other_wish", "p", wish="Plutôt le soir").book(of=None)
    log.say("cannot_come", PATIENT, "cannot_come", "p", note="Grippe")
    log.say("no_show", DOCTOR, "no_show", "p").say("reminder", AUTOMATE, "reminder", "p", start=START, lead="d1")
    log.say("find", DOCTOR, "find", **{"from": NOW, "to": NOW + DAY})
    log.say("availability", AUTOMATE, "availability", slots=[], zone="Europe/Paris", **{"from": NOW, "to": NOW + DAY})
    return {entry["payload"]["act"]: entry["payload"] for entry in log.entries}


def _read(group: Group) -> None:
    whole = _payloads()
    for act, payload in whole.items():
        group.ok(act, "read", payload=payload)
    group.ok("a later version", "read", payload={**whole["propose"], "version": 2})
    group.ok("an act of a later version", "read", payload={"version": 1, "act": "bring_a_friend", "reply": None})


def _refused(group: Group) -> None:
    whole = _payloads()
    good = slot(3)

    def refused(name: str, of: str, /, **changed: Any) -> None:
        group.refused(name, "bad_format", "read", payload={**whole[of], **changed})

    for act, payload in whole.items():
        group.refused(f"{act} with another key", "bad_format", "read", payload={**payload, "colour": "red"})
        less = {key: value for key, value in payload.items() if key != "appointment"}
        group.refused(f"{act} without its appointment", "bad_format", "read", payload=less)
    for act in sorted(set(whole) - appointments.BEGINNING - appointments.APART):
        refused(f"{act} about nothing", act, appointment=None)
    refused("ask about something", "ask", appointment=whole["accept"]["appointment"])
    refused("find about something", "find", appointment=whole["accept"]["appointment"])
    refused("no slot", "propose", slots=[])
    refused("seven slots", "propose", slots=[slot(day) for day in range(7)])
    refused("two offers", "offer", slots=[slot(1), slot(2)])
    refused("slots that do not ascend", "propose", slots=[slot(4), slot(3)])
    refused("one slot twice", "propose", slots=[good, good])
    refused("a slot of no length", "propose", slots=[{**good, "end": good["start"]}])
    refused("a slot of more than a day", "propose", slots=[{**good, "end": good["start"] + DAY + MINUTE}])
    refused("half a minute", "propose", slots=[{**good, "start": good["start"] + MINUTE // 2}])
    refused("a slot with a name in it", "propose", slots=[{**good, "name": "Dupont"}])
    refused("a long reference", "propose", slots=[{**good, "ref": "x" * 201}])
    refused("a link without TLS", "propose", link="http://visio.example/x")
    refused("a link that runs a script", "propose", link="javascript:alert(1)")
    refused("a link with a space", "propose", link="https://visio.example/x y")
    refused("a zone that is a path", "propose", zone="../../etc/passwd")
    refused("a zone that is empty", "propose", zone="")
    refused("another mode", "propose", mode="moon")
    refused("booked in two places", "booked", slot=[good, slot(4)])
    refused("booked nowhere", "booked", slot=None)
    refused("booked by nobody", "booked", source="patient")
    refused("booked until an answer", "booked", expires=NOW + DAY)
    refused("a deadline in the past of time", "propose", cancel_before=-1)
    refused("a deadline of more than thirty days", "propose", cancel_before=43_201)
    refused("true for a number", "propose", cancel_before=True)
    refused("too much to bring", "propose", bring=["x"] * 11)
    refused("nothing to bring", "propose", bring=[""])
    refused("nobody concerned", "propose", concerned="")
    refused("an empty wish", "ask", wish="")
    refused("a note too long", "refuse", note="é" * 501)
    refused("a proposal that is no id", "accept", proposal="AAAA")
    refused("the seventh slot", "accept", slot=6)
    refused("a reason of its own", "failed", reason="tired")
    refused("a lead of its own", "reminder", lead="d2")
    refused("a window that ends before it begins", "find", to=NOW - 1)
    refused("version as text", "propose", version="1")
    refused("an act that is a number", "propose", act=7)


Cases = list[tuple[int, str, Log]]
"""Minutes after NOW, name, log."""
WEEK = 7 * 24 * 60


def _choosing() -> Cases:
    late = 2 * 24 * 60
    began = [slot(0, -2), slot(0, -1)]
    asked = Log("answer").say("q", PATIENT, "ask", wish="Un matin", concerned=None)
    answered = asked.propose("p", [slot(3)], 5, "q").accept("a", 6, DELEGATE, "q")
    two = proposed("two").accept().accept("b", role=DELEGATE, slot=1).confirm("b").confirm("a")
    return [
        (1, "asked", Log("asked").say("q", PATIENT, "ask", wish="Un matin", concerned="Léa")),
        (1, "proposed", proposed("proposed")),
        (late, "proposed, then expired", proposed("expired")),
        (120, "proposed, one slot has begun", proposed("begun", [slot(0, -1), slot(4)])),
        (late, "proposed, every slot has begun", proposed("all begun", began, expires=NOW + 9 * DAY)),
        (9, "accepted", proposed("accepted").accept()),
        (9, "accepted and confirmed", booked("booked")),
        (9, "two acceptances: the first counts", two),
        (late, "accepted too late", proposed("too late").accept(at=late)),
        (9, "accepted after it began", proposed("after it began", [slot(0, -9), slot(4)]).accept()),
        (9, "no such slot", proposed("no such slot").accept(slot=2)),
        (9, "the slot has just gone", proposed("gone").accept().fail()),
        (9, "what has gone cannot be chosen again", proposed("gone again").accept().fail().accept("b", 7)),
        (9, "unreachable, tried again", proposed("again").accept().fail(reason="unreachable").accept("b", 7)),
        (9, "a newer proposal", proposed("newer").propose("n", [slot(6)]).accept().accept("b", proposal="n")),
        (9, "a newer proposal while a choice waits", proposed("waits").accept().propose("n", [slot(6)]).fail()),
        (9, "an answer to a question", answered),
    ]


def _moving() -> Cases:
    def offered(name: str, at: int) -> Log:
        free = booked(name).propose("o", [slot(1)], 9, act="offer", expires=NOW + 30 * MINUTE)
        return free.accept("b", at, proposal="o")

    return [
        (9, "moved to the other slot", booked("moved").accept("b", 7, slot=1).confirm("b", 8)),
        (9, "moving", booked("moving").accept("b", 7, slot=1)),
        (9, "moving fails: the old one stands", booked("moving fails").accept("b", 7, slot=1).fail("b", at=8)),
        (9, "the same again", booked("same").accept("b", 7)),
        (11, "a free place, taken", offered("offer", 10)),
        (32, "a free place, not taken in time", offered("no offer", 31)),
        (40, "moved by the practice", booked("moved by").move(role=AUTOMATE, source="agenda").confirm(at=31)),
        (40, "moved before it was booked", proposed("moved before").move()),
        (40, "a move overtakes a choice", proposed("overtakes").accept().move(6).confirm(at=7)),
        *_moving_in_an_agenda(),
    ]


def _moving_in_an_agenda() -> Cases:
    """What has a name in the agenda is moved there first."""

    def listed(name: str) -> Log:
        return proposed(name, [slot(3, ref="s3"), slot(4, ref="s4")]).accept()

    def moved(name: str, ref: str = "s8", at: int = 30) -> Log:
        return listed(name).confirm().say("m", DOCTOR, "move", "p", at, slot=slot(8, ref=ref), note="", source="person")

    def again(name: str, **changed: Any) -> Log:
        fields = {"slot": slot(9, ref="s9"), "note": "", "source": "person", **changed}
        return moved(name).say("m2", DOCTOR, "move", "p", 31, **fields)

    waiting = listed("waits").say("m", DOCTOR, "move", "p", 6, slot=slot(8), note="", source="person")
    return [
        (40, "a move waits for the agenda", moved("waits for the agenda")),
        (40, "and is written", moved("written").confirm("m", at=31, role=AUTOMATE)),
        (40, "and is refused: the old one stands", moved("gone").fail("m", at=31)),
        (40, "typed by hand, of what stands in the agenda", moved("by hand", ref="").fail("m", "refused", 31)),
        (40, "before the agenda has answered the patient", waiting.confirm("a", at=7).confirm("m", at=8)),
        (40, "a later move overtakes it", again("later").confirm("m", at=32).confirm("m2", at=33)),
        (40, "the agenda itself overtakes it", again("itself", slot=slot(9), source="agenda").confirm("m", at=32)),
        (40, "to where it is", again("same", slot=slot(3)).confirm("m", at=32)),
        (40, "the patient chooses meanwhile", moved("meanwhile").accept("b", 31, slot=1)),
        (40, "the patient calls off meanwhile", moved("called off").cancel(PATIENT, 31).confirm("m", at=32)),
        (40, "a patient moves nothing", listed("not a patient").confirm().move(8, PATIENT)),
    ]


def _booking() -> Cases:
    """What the practice has agreed on elsewhere."""

    def noted(name: str, **changed: Any) -> Log:
        return Log(name).book(0, "p", None, **changed)

    def cannot(log: Log, at: int = 30) -> Log:
        return log.say("x", PATIENT, "cannot_come", "p", at, note="Grippe")

    asked = Log("asked, then booked").say("p", PATIENT, "ask", wish="Un matin", concerned=None)
    mine = Log("patient").say("p", PATIENT, "booked", slot=slot(8), source="person", **ABOUT)
    reminded = noted("reminded of").say("r", AUTOMATE, "reminder", "p", 60, start=slot(8)["start"], lead="d7")
    late = WEEK + 24 * 60  # a day before it begins, less the nine hours of the morning
    return [
        (9, "booked by the practice", noted("by hand")),
        (9, "booked in the practice's program", noted("agenda", source="agenda", slot=slot(8, ref="told:1"))),
        (9, "booked, then chosen from what was never proposed", noted("never proposed").accept()),
        (9, "booked after a wish", asked.book()),
        (9, "booked over a proposal", proposed("over a proposal").book().accept("a", 6).refuse(7)),
        (9, "booked elsewhere while a choice waits", proposed("choice waits").accept().book(6).confirm(at=7)),
        (9, "booked anew after it was declined", proposed("declined").refuse().book(6)),
        (40, "booked again at another time", booked("another time").book(31, what="Contrôle", cancel_before=0)),
        (40, "booked again in the program at its own time", booked("its own").book(31, source="agenda", slot=slot(3))),
        (40, "not after it was called off", noted("called off").cancel(PATIENT).book(31)),
        (40, "reminded, moved and missed", reminded.move(70, source="agenda")),
        (31, "a patient cannot come to it", cannot(noted("cannot"))),
        (late, "a patient calls it off late", noted("late").cancel(PATIENT, late)),
        (WEEK, "and another wish", noted("wish").say("w", PATIENT, "other_wish", "p", 5, wish="Le soir")),
        (late + WEEK, "did not come to what was noted", noted("missed").say("z", DOCTOR, "no_show", "p", late + WEEK)),
        (9, "a patient books nothing", mine),
        *_booking_in_an_agenda(),
    ]


def _booking_in_an_agenda() -> Cases:
    """A person's choice of a free slot is written there first."""

    def waits(name: str, of: str | None = None) -> Log:
        return Log(name).book(0, "p", of, slot=slot(3, ref="s3"))

    listed = proposed("listed", [slot(3, ref="s3"), slot(4, ref="s4")]).accept().confirm()
    again = proposed("again", [slot(3, ref="s3")]).accept().confirm().book(30, slot=slot(3, ref="s3"), what="Autre")
    return [
        (9, "a booking waits for the agenda", waits("agenda waits")),
        (9, "and stands when it has answered", waits("answered").confirm("p", 6, AUTOMATE)),
        (9, "or does not stand", waits("gone").fail("p")),
        (9, "does not stand, and another time is proposed", waits("gone, other").fail("p").propose("n", [slot(6)], 7)),
        (9, "does not stand, then typed by hand", waits("then by hand").fail("p", "unreachable").book(7)),
        (9, "called off before the agenda answers", waits("called off").cancel(PATIENT, 5).confirm("p", 6)),
        (9, "the program is faster", waits("faster").book(5, source="agenda").confirm("p", 6)),
        (40, "typed by hand, over what stands in the agenda", listed.book(31).fail("k", "refused", 32)),
        (40, "where it stands already", again),
    ]


def _closing() -> Cases:
    again = [slot(7)]
    ended = booked("end").cancel(PATIENT).move(31).confirm(at=32).propose("n", again, 33)
    cannot = {"act": "cannot_come", "of": "p", "at": 30, "note": ""}
    return [
        (9, "refused", proposed("refused").refuse()),
        (9, "refused, proposed anew", proposed("anew").refuse().propose("n", again, 6)),
        (9, "refused, then accepted", proposed("refused accepted").refuse().accept("a", 6)),
        (9, "booked, the new proposal refused", booked("keeps").propose("n", again, 7).refuse(8, "n")),
        (9, "refused while a choice waits", proposed("refuse waits").accept().refuse(6)),
        (9, "another wish", proposed("wish").say("w", PATIENT, "other_wish", "p", 5, wish="Le soir")),
        (31, "cancelled by the patient in time", booked("in time").cancel(PATIENT)),
        (WEEK, "cancelled by the patient late", booked("late").cancel(PATIENT, 3 * 24 * 60)),
        (31, "cannot come, whatever", booked("whatever", cancel_before=0).say("x", PATIENT, **cannot)),
        (31, "cannot come to nothing", proposed("nothing").say("x", PATIENT, **cannot)),
        (31, "cancelled by the practice", booked("by practice").cancel(DOCTOR, source="agenda")),
        (9, "withdrawn before it was chosen", proposed("withdrawn").cancel(DOCTOR, 3).accept()),
        (40, "after the end nothing follows", ended),
        (9, "cancelled before the answer", proposed("before the answer").accept().cancel(PATIENT, 6).confirm(at=7)),
        (WEEK, "did not come", booked("no show").say("z", DOCTOR, "no_show", "p", WEEK)),
        (31, "did not come, said too early", booked("early").say("z", DOCTOR, "no_show", "p", 30)),
        (WEEK, "did not come to nothing", proposed("no show to nothing").say("z", DOCTOR, "no_show", "p", WEEK)),
    ]


def _others() -> Cases:
    window = {"from": NOW, "to": NOW + DAY}
    far = b64(bytes(32))
    free = Log("free").say("f", DOCTOR, "find", **window)
    for name, role in (("v", AUTOMATE), ("y", PATIENT)):
        free.say(name, role, "availability", slots=[slot(1), slot(2)], zone="Europe/Paris", **window)
    reminded = booked("reminded")
    for name, days in (("r", 3), ("r2", 4)):
        reminded.say(name, AUTOMATE, "reminder", "p", 60, start=slot(days)["start"], lead="d1")
    newer = booked("newer ones").raw("n", DOCTOR, {"version": 2, "act": "cancel", "reply": "open"}, 7)
    newer.raw("b", DOCTOR, {"version": 1, "act": "cancel", "reply": "open"}, 8)
    both = booked("both").propose("p2", [slot(10)], 8, None, concerned="Léa")
    both.accept("a2", 9, of="p2", proposal="p2").accept("cross", 9, proposal="p2")
    return [
        (62, "reminded", reminded),
        (9, "who may not", _forbidden()),
        (9, "a delegate and the agenda", proposed("delegate").accept(role=DELEGATE).confirm(role=AUTOMATE)),
        (9, "about nothing known", Log("unknown").accept(of=far, proposal=far)),
        (9, "free slots", free),
        (9, "newer and unreadable ones change nothing", newer),
        (10, "two appointments in one conversation", both),
    ]


def _forbidden() -> Log:
    log = booked("may not").cancel(CARER, 8, name="x1").confirm(role=PATIENT).move(8, PATIENT)
    log.accept("x2", 8, DOCTOR, slot=1).cancel(PATIENT, 8, "agenda", "x3")
    log.say("x4", PATIENT, "propose", "p", 8, slots=[slot(8)], expires=NOW + DAY, **ABOUT)
    log.say("x5", PATIENT, "no_show", "p", 8).say("x6", DOCTOR, "cannot_come", "p", 8, note="")
    return log.say("x7", PATIENT, "find", **{"from": NOW, "to": NOW + DAY})
