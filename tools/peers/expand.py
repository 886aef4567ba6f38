"""Says when a calendar is busy by recurring-ical-events: run by .venv/peers, one JSON object a line in and out."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar  # type: ignore[import-not-found]
import recurring_ical_events  # type: ignore[import-not-found]


def instant(value: date, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=zone)
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def busy(text: str, start: datetime, end: datetime, zone: ZoneInfo) -> list[list[str]]:
    spans = []
    margin = timedelta(days=2)  # floating times are compared in UTC there
    for event in recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(start - margin, end + margin):
        if event.get("TRANSP") == "TRANSPARENT" or event.get("STATUS") == "CANCELLED":
            continue
        span = (max(instant(event.start, zone), start), min(instant(event.end, zone), end))
        if span[0] < span[1]:
            spans.append(span)
    merged: list[tuple[datetime, datetime]] = []
    for begun, ended in sorted(spans):
        if merged and begun <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(ended, merged[-1][1]))
        else:
            merged.append((begun, ended))
    return [[begun.isoformat(), ended.isoformat()] for begun, ended in merged]


for line in sys.stdin:
    asked = json.loads(line)
    window = [datetime.fromisoformat(asked[name]) for name in ("start", "end")]
    try:
        answer = busy(asked["ics"], *window, ZoneInfo(asked["zone"]))
    except Exception as error:  # noqa: BLE001  the test says what it makes of it
        answer = type(error).__name__  # type: ignore[assignment]
    print(json.dumps(answer), flush=True)
