"""What several nodes share: whose turn it is to write, and the stamps that have been used"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

BYTEWISE = {'account': ('name', 'profession'), 'directory_word': ('word',)}


def upgrade() -> None:
    op.create_table('turn',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_turn')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.execute('INSERT INTO turn (id, number) VALUES (1, 0)')
    op.create_table('spent_stamp',
    sa.Column('stamp', sa.LargeBinary(), nullable=False),
    sa.Column('ends', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('stamp', name=op.f('pk_spent_stamp')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )
    if op.get_context().dialect.name == 'postgresql':
        for table, names in BYTEWISE.items():  # order and ranges of words as SQLite has them, whatever the locale
            for name in names:
                op.execute(f'ALTER TABLE {table} ALTER COLUMN {name} TYPE text COLLATE "C"')
        op.execute('ALTER TABLE turn SET (fillfactor = 10)')  # room for the next versions of its one row


def downgrade() -> None:
    op.drop_table('spent_stamp')
    op.drop_table('turn')
