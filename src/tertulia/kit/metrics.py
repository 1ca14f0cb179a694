"""What is counted and timed, for `/metrics`. Labels hold names and codes, never ids or content."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# From an embedded model's cached prefix to a slow endpoint.
_TURN_S: Final = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_STORE_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

BUS_HANDLED: Final = Counter(
    "tertulia_bus_handled_total",
    "Deliveries by how they ended: done, again (asked for), retry (failed), back, lost, dead.",
    ["topic", "outcome"],
)
BUS_HANDLING_S: Final = Histogram(
    "tertulia_bus_handling_seconds", "How long handlers took.", ["topic"], buckets=_TURN_S
)
BUS_WAITED_S: Final = Histogram(
    "tertulia_bus_waited_seconds",
    "From the commit of a message to the start of its handler.",
    ["topic"],
    buckets=_STORE_S,
)
BUS_STORE_ERRORS: Final = Counter(
    "tertulia_bus_store_errors_total", "Times the bus could not reach its store.", ["topic"]
)
QUEUE_DEPTH: Final = Gauge(
    "tertulia_queue_depth", "Messages that are not done, by state.", ["topic", "state"]
)
QUEUE_OLDEST_S: Final = Gauge(
    "tertulia_queue_oldest_seconds", "Age of the oldest waiting message.", ["topic"]
)
BUS_BROKER_LOST: Final = Counter(
    "tertulia_bus_broker_lost_total", "Times a consumer lost its broker.", ["topic"]
)
RELAY_CARRIED: Final = Counter(
    "tertulia_relay_carried_total",
    "Messages handed to the broker by how it answered: confirmed or refused.",
    ["outcome"],
)
RELAY_BROKER_AWAY: Final = Gauge(
    "tertulia_relay_broker_away", "1 while the broker cannot be reached by the relay."
)
HISTORY_S: Final = Histogram(
    "tertulia_history_seconds",
    "How long the history log took: keep, fetch or erase.",
    ["call"],
    buckets=_STORE_S,
)
HISTORY_ERRORS: Final = Counter(
    "tertulia_history_errors_total", "Calls that the history log did not answer.", ["call"]
)
HISTORY_MOVED: Final = Counter(
    "tertulia_history_moved_total",
    "Texts offered to the history log by how it ended: moved or refused.",
    ["outcome"],
)
HISTORY_BEHIND_S: Final = Gauge(
    "tertulia_history_behind_seconds", "For how long the oldest text is due that has not moved."
)
PRUNED: Final = Counter("tertulia_pruned_rows_total", "Rows that outlived their use.", ["what"])
TURN_S: Final = Histogram(
    "tertulia_turn_seconds",
    "From the request of a reply to its end.",
    ["status"],
    buckets=_TURN_S,
)
FIRST_TEXT_S: Final = Histogram(
    "tertulia_first_text_seconds", "From the request of a reply to its first text.", buckets=_TURN_S
)
CHECKPOINT_S: Final = Histogram(
    "tertulia_checkpoint_seconds", "How long shown text stayed unsaved.", buckets=_STORE_S
)
REPLIES_HANDED_OVER: Final = Counter(
    "tertulia_replies_handed_over_total",
    "Requests that found no place here and went to a worker with room.",
)
REPLY_TOKENS: Final = Counter(
    "tertulia_reply_tokens_total", "Tokens read and written by models.", ["direction"]
)
REPLIES_RUNNING: Final = Gauge("tertulia_replies_running", "Replies that are being written.")
RECENT_TURNS_BYTES: Final = Gauge(
    "tertulia_recent_turns_bytes", "What recent turns take in this process."
)
RECENT_TURNS: Final = Counter(
    "tertulia_recent_turns_total", "Look-ups of recent turns: hit or miss.", ["result"]
)
