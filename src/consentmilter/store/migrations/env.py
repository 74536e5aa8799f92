"""What Alembic runs to migrate: on the connection and for the tree that `consentmilter.store.migrate` hands over.

All revisions go in with the transaction that the caller holds, or none of them.
"""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes["tree"].metadata,
    version_table=attributes["tree"].version_table,
)
with context.begin_transaction():
    context.run_migrations()
