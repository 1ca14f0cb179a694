"""The relay keeps the outbox moving and the store within its bounds, on a schedule or once.

With a broker it carries events from the outbox to it as soon as they are committed. With the
embedded bus the outbox table *is* the bus: a consumer is woken by the very commit that adds a row,
so there is nothing to carry. The rest is what no consumer does: rows that outlived their use, work
that was routed to a worker who is gone, and the figures an operator watches.
"""
