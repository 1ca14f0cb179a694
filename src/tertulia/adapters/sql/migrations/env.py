"""Run by Alembic: migrates over the connection that it was given."""

from alembic import context

from tertulia.adapters.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # One transaction around all, opened by whoever gave the connection.
    transactional_ddl=False,
)
context.run_migrations()
