"""The campaign of mail_restarts.py in small: 1,000 mails, 20 kills, nothing lost, nothing doubled."""

from tests.fakes.dovecot import needs_dovecot
from tests.faults.mail_restarts import IN_CI, campaign


@needs_dovecot
async def test_no_mail_is_lost_or_doubled_by_a_bridge_that_is_killed_again_and_again():
    mails, kills = IN_CI
    result = await campaign(mails=mails, kills=kills, seed=20)
    assert result.faults == 0, result
    assert result.answers > 0
