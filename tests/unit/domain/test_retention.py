"""A term in days becomes a time before which nothing is kept."""

from __future__ import annotations

import pytest

from server.domain.retention import DAY, SHORTEST, STEP, LogBeginning, horizon
from server.settings import SettingsError, read

NOW = 1_796_000_000_000


@pytest.mark.parametrize("days", [30, 90, 365, 7300])
@pytest.mark.parametrize("later", [0, DAY, 3 * DAY, STEP - 1, STEP, 100 * DAY])
def test_a_message_is_kept_for_its_term_and_at_most_a_week_longer(days, later):
    now = NOW + later
    before = horizon(now, days)
    assert now - days * DAY - STEP < before <= now - days * DAY


def test_it_moves_once_a_week():
    moved = {horizon(NOW + hour * 3_600_000, 365) for hour in range(4 * 7 * 24)}
    assert len(moved) in {4, 5}


def test_nothing_is_over_before_there_was_time():
    assert horizon(0, 30) == 0


def test_no_term_that_readers_would_take_for_a_lie():
    with pytest.raises(ValueError, match="30"):
        horizon(NOW, SHORTEST - 1)
    with pytest.raises(SettingsError, match="PLI_MESSAGE_DAYS: at least 30 days"):
        read({}, {"PLI_MESSAGE_DAYS": "29"})
    assert read({}, {"PLI_MESSAGE_DAYS": "30"}).message_days == 30
    assert read({}, {}).message_days is None


@pytest.mark.parametrize(
    ("first", "cleared", "at", "due"),
    [
        (1, 1, NOW, False),
        (1, 1, NOW - 1, True),
        (5, 5, None, False),
        (5, 5, NOW + 1, False),
        (5, 3, NOW + 1, True),
    ],
)
def test_a_log_is_due_when_its_first_event_is_old_or_a_sweep_was_cut_off(first, cleared, at, due):
    assert LogBeginning(b"c" * 32, first, cleared, at).is_due(NOW) is due
