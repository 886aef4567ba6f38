"""First schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('account',
    sa.Column('id', sa.LargeBinary(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('head', sa.LargeBinary(), nullable=False),
    sa.Column('generation', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('unlocker', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.Text(), nullable=True),
    sa.Column('profession', sa.Text(), nullable=True),
    sa.Column('identifier', sa.Text(), nullable=True),
    sa.Column('certificate', sa.LargeBinary(), nullable=True),
    sa.Column('accepts_patients', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('language', sa.Text(), nullable=True),
    sa.Column('acked', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('activation',
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('profession', sa.Text(), nullable=False),
    sa.Column('identifier', sa.Text(), nullable=False),
    sa.Column('demo', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('expires', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_activation')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('attachment',
    sa.Column('id', sa.LargeBinary(), nullable=False),
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('size', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('received', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attachment')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    with op.batch_alter_table('attachment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_attachment_account'), ['account'], unique=False)

    op.create_table('attachment_link',
    sa.Column('attachment', sa.LargeBinary(), nullable=False),
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('attachment', 'conversation', name=op.f('pk_attachment_link')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('conversation',
    sa.Column('id', sa.LargeBinary(), nullable=False),
    sa.Column('epoch', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('head', sa.LargeBinary(), nullable=False),
    sa.Column('last_seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('last_at', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('reply', sa.Text(), nullable=False),
    sa.Column('until', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('policy_by', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_conversation')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('directory_word',
    sa.Column('word', sa.Text(), nullable=False),
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('word', 'account', name=op.f('pk_directory_word')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )
    op.create_table('epoch',
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.Column('epoch', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.Column('record', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('conversation', 'epoch', name=op.f('pk_epoch')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('epoch_box',
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.Column('member', sa.LargeBinary(), nullable=False),
    sa.Column('epoch', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('box', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('conversation', 'member', 'epoch', name=op.f('pk_epoch_box')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('event',
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('author', sa.LargeBinary(), nullable=False),
    sa.Column('epoch', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Text(), nullable=True),
    sa.Column('envelope_id', sa.LargeBinary(), nullable=True),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('conversation', 'seq', name=op.f('pk_event')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.create_index('ix_event_envelope_id', ['envelope_id'], unique=True)

    op.create_table('feed',
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('position', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('account', 'position', name=op.f('pk_feed')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )
    op.create_table('holder',
    sa.Column('id', sa.LargeBinary(), nullable=False),
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('sign', sa.LargeBinary(), nullable=False),
    sa.Column('active', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_holder')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    with op.batch_alter_table('holder', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_holder_account'), ['account'], unique=False)

    op.create_table('invitation',
    sa.Column('id', sa.LargeBinary(), nullable=False),
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.Column('member', sa.LargeBinary(), nullable=False),
    sa.Column('sign', sa.LargeBinary(), nullable=False),
    sa.Column('enc', sa.LargeBinary(), nullable=False),
    sa.Column('expires', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('locator', sa.LargeBinary(), nullable=True),
    sa.Column('code_box', sa.LargeBinary(), nullable=True),
    sa.Column('claimed_by', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invitation')),
    sa.UniqueConstraint('locator', name=op.f('uq_invitation_locator')),
    sa.UniqueConstraint('member', name=op.f('uq_invitation_member')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    with op.batch_alter_table('invitation', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_invitation_conversation'), ['conversation'], unique=False)

    op.create_table('link',
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('position', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('wire', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('account', 'position', name=op.f('pk_link')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('member',
    sa.Column('conversation', sa.LargeBinary(), nullable=False),
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('history', sa.Text(), nullable=False),
    sa.Column('writes', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('since', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('left', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('read_seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('delivered_seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('conversation', 'account', name=op.f('pk_member')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    with op.batch_alter_table('member', schema=None) as batch_op:
        batch_op.create_index('ix_member_account', ['account'], unique=False)

    op.create_table('passkey',
    sa.Column('credential', sa.LargeBinary(), nullable=False),
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('holder', sa.LargeBinary(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('credential', name=op.f('pk_passkey')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('previous_secret',
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('generation', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('account', 'generation', name=op.f('pk_previous_secret')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('reply_right',
    sa.Column('patient', sa.LargeBinary(), nullable=False),
    sa.Column('professional', sa.LargeBinary(), nullable=False),
    sa.Column('is_open', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('patient', 'professional', name=op.f('pk_reply_right')),
    sqlite_strict=True,
    sqlite_with_rowid=False
    )
    op.create_table('secret_box',
    sa.Column('holder', sa.LargeBinary(), nullable=False),
    sa.Column('generation', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('box', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('holder', 'generation', name=op.f('pk_secret_box')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    op.create_table('session',
    sa.Column('id', sa.LargeBinary(), nullable=False),
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('account', sa.LargeBinary(), nullable=False),
    sa.Column('holder', sa.LargeBinary(), nullable=False),
    sa.Column('created', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('last_used', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('expires', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_session')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_session_token_hash')),
    sqlite_strict=True,
    sqlite_with_rowid=True
    )
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_session_account'), ['account'], unique=False)
        batch_op.create_index(batch_op.f('ix_session_holder'), ['holder'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_session_holder'))
        batch_op.drop_index(batch_op.f('ix_session_account'))

    op.drop_table('session')
    op.drop_table('secret_box')
    op.drop_table('reply_right')
    op.drop_table('previous_secret')
    op.drop_table('passkey')
    with op.batch_alter_table('member', schema=None) as batch_op:
        batch_op.drop_index('ix_member_account')

    op.drop_table('member')
    op.drop_table('link')
    with op.batch_alter_table('invitation', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_invitation_conversation'))

    op.drop_table('invitation')
    with op.batch_alter_table('holder', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_holder_account'))

    op.drop_table('holder')
    op.drop_table('feed')
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.drop_index('ix_event_envelope_id')

    op.drop_table('event')
    op.drop_table('epoch_box')
    op.drop_table('epoch')
    op.drop_table('directory_word')
    op.drop_table('conversation')
    op.drop_table('attachment_link')
    with op.batch_alter_table('attachment', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_attachment_account'))

    op.drop_table('attachment')
    op.drop_table('activation')
    op.drop_table('account')
