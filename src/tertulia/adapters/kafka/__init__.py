"""Kafka as the broker of the bus: keyed partitions, confirms, bookmarks below what is undone."""
