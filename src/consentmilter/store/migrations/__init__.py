"""The migrations: one Alembic environment, and a folder of revisions for each tree."""
