"""Alembic's entry point: runs the revisions on the connection that `relay.store.engine.upgrade` gives."""

from alembic import context

from relay.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
