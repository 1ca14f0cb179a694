"""Building blocks that know nothing of chat."""
