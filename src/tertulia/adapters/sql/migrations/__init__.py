"""Alembic's scripts. They expand first and contract later, so two versions can run side by side."""
