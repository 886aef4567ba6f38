"""Where logs and feeds begin, and which event names a document last"""

from __future__ import annotations

import base64
import json

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
PORTION = 1_000


def upgrade() -> None:
    op.create_table('log_beginning',
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.Column('first', NUMBER, nullable=False),
    sa.Column('before', NUMBER, nullable=False),
    sa.Column('cleared', NUMBER, nullable=False),
    sa.PrimaryKeyConstraint('conversation', name=op.f('pk_log_beginning')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )
    op.create_table('feed_beginning',
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('first', NUMBER, nullable=False),
    sa.PrimaryKeyConstraint('account', name=op.f('pk_feed_beginning')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )
    op.add_column('attachment_link', sa.Column('seq', NUMBER, nullable=False, server_default='0'))
    _place_documents(op.get_bind())
    op.create_index('ix_attachment_link_conversation', 'attachment_link', ['conversation', 'seq'])


def _place_documents(connection: sa.Connection) -> None:
    """Give each link the newest event that names its document."""
    events = connection.execute(sa.text(
        "SELECT conversation, seq, detail FROM event WHERE type = 'envelope' AND detail IS NOT NULL"
        ' ORDER BY conversation, seq'
    ))
    link = sa.text('UPDATE attachment_link SET seq = :seq WHERE attachment = :attachment AND conversation = :conversation')
    while portion := events.fetchmany(PORTION):
        named = [
            {'seq': seq, 'conversation': conversation, 'attachment': base64.urlsafe_b64decode(each + '==')}
            for conversation, seq, detail in portion
            for each in json.loads(detail).get('attachments', ())
        ]
        if named:
            connection.execute(link, named)


def downgrade() -> None:
    op.drop_index('ix_attachment_link_conversation', table_name='attachment_link')
    op.drop_column('attachment_link', 'seq')
    op.drop_table('feed_beginning')
    op.drop_table('log_beginning')
