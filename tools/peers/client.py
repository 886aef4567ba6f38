"""Another program of the practice: reads and changes a calendar with the library ``caldav``, run by .venv/peers.

``client.py URL USER list | move UID START END | delete UID``; the password is in ``CALDAV_PASSWORD``. Prints JSON.
"""

import json
import os
import sys
from datetime import UTC, datetime

import caldav  # type: ignore[import-not-found]

url, user, action, *more = sys.argv[1:]
with caldav.DAVClient(url, username=user, password=os.environ["CALDAV_PASSWORD"]) as client:
    calendar = client.calendar(url=url)
    events = {str(each.icalendar_component["UID"]): each for each in calendar.events()}
    if action == "move":
        with events[more[0]].edit_icalendar_component() as component:
            for name, text in zip(("DTSTART", "DTEND"), more[1:], strict=True):
                component.pop(name)
                component.add(name, datetime.fromisoformat(text))
        events[more[0]].save()
    elif action == "delete":
        events[more[0]].delete()
    told = [
        {
            "uid": uid,
            "start": each.icalendar_component["DTSTART"].dt.astimezone(UTC).isoformat(),
            "end": each.icalendar_component["DTEND"].dt.astimezone(UTC).isoformat(),
            "title": str(each.icalendar_component.get("SUMMARY", "")),
        }
        for uid, each in events.items()
        if action != "delete" or uid != more[0]
    ]
    print(json.dumps(told))
