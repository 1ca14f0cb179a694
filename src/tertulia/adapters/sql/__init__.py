"""The store over SQL: one schema and one set of statements for every dialect."""
