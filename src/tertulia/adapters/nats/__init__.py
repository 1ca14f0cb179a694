"""NATS JetStream as the broker of the bus: one work queue, a consumer for each share of a topic."""
