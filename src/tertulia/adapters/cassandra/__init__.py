"""The history log over Cassandra (cassandra-driver)."""
