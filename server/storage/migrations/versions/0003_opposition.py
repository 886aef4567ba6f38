"""What a patient refuses: whom they have blocked, which conversations they have left"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.add_column('reply_right', sa.Column('blocked_at', NUMBER, nullable=True))
    op.add_column('conversation', sa.Column('patient_gone', NUMBER, nullable=False, server_default='0'))
    op.execute(
        'UPDATE conversation SET patient_gone = 1 WHERE EXISTS (SELECT 1 FROM member m'
        " WHERE m.conversation = conversation.id AND m.role = 'patient' AND m.\"left\" IS NOT NULL)"
        ' AND NOT EXISTS (SELECT 1 FROM member m'
        " WHERE m.conversation = conversation.id AND m.role = 'patient' AND m.\"left\" IS NULL)"
        ' AND EXISTS (SELECT 1 FROM event e WHERE e.conversation = conversation.id'
        " AND e.type = 'left' AND e.author IN (SELECT m.account FROM member m"
        " WHERE m.conversation = conversation.id AND m.role = 'patient'))"
    )


def downgrade() -> None:
    op.drop_column('conversation', 'patient_gone')
    op.drop_column('reply_right', 'blocked_at')
