"""The access journal of each account, and where it begins and ends"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('journal',
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('position', NUMBER, nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('at', NUMBER, nullable=False),
    sa.Column('who', sa.LargeBinary(), nullable=False),
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.Column('attachment', sa.LargeBinary(), nullable=True),
    sa.Column('previous', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('account', 'position', name=op.f('pk_journal')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )
    op.create_index('ix_journal_visit', 'journal', ['account', 'who', 'conversation', 'kind', 'at'])
    op.create_table('journal_end',
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('first', NUMBER, nullable=False),
    sa.Column('last', NUMBER, nullable=False),
    sa.Column('head', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('account', name=op.f('pk_journal_end')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )


def downgrade() -> None:
    op.drop_table('journal_end')
    op.drop_index('ix_journal_visit', table_name='journal')
    op.drop_table('journal')
