"""One package per technology; the only place where drivers are imported."""
