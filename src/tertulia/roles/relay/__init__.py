"""The relay keeps the outbox moving and the store within its bounds, on a schedule or once.

With a broker, events would have to be carried from the outbox to it. With the embedded bus the
outbox table *is* the bus: a consumer is woken by the very commit that adds a row, so the relay
carries nothing. What is left for it is what no consumer does: rows that outlived their use, work
that was routed to a worker who is gone, and the figures an operator watches.
"""
