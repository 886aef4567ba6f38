"""Background jobs: who has each, until when, and when it was last done"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('job',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('holder', sa.LargeBinary(), nullable=False),
    sa.Column('token', NUMBER, nullable=False),
    sa.Column('until', NUMBER, nullable=False),
    sa.Column('began', NUMBER, nullable=False),
    sa.Column('done', NUMBER, nullable=True),
    sa.Column('removed', NUMBER, nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_job')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )


def downgrade() -> None:
    op.drop_table('job')
