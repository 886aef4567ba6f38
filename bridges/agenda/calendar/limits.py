"""How much of a stranger's calendar is read, in one place. Source: docs/spec/agenda.md 3."""

from dataclasses import replace
from typing import Final

from bridges.sandbox.limits import Limits

MIB: Final = 1024 * 1024

RAW: Final = 12 * MIB  # bytes of one feed
COMPONENTS: Final = 100_000  # events, alarms and zones of one feed
DEPTH: Final = 8  # components inside components
DATES: Final = 50_000  # RDATE and EXDATE of one event
WORK: Final = 100_000  # days looked at to repeat one event
WORK_ALL: Final = 400_000  # days looked at for a whole feed
TIMES_A_DAY: Final = 288  # repetitions of one event in a day
INSTANCES: Final = 100_000  # of all events together, inside the window
SKIPPED: Final = 1000  # skipped events that are told
ENTRIES: Final = 5000  # events that are described
ZONES: Final = 60  # zones that one feed may define itself
YEARS: Final = (1900, 2200)  # a time outside is broken
UID: Final = 200  # characters kept of a UID

# At the terminal a file of anybody; in the bridge the calendars that the practice chose, which may be long.
CHILD: Final = Limits(cpu=0.55, wall=10.0, address_space=256 * MIB, answer=16 * MIB, life=2000)
PATIENT: Final = replace(CHILD, cpu=4.0, wall=30.0)
