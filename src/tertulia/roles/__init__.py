"""One package per role; none knows another."""
