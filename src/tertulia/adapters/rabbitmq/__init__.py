"""RabbitMQ as the broker of the bus: quorum queues, confirms, single active consumers."""
