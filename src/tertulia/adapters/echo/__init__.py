"""The deterministic chat model, for tests, demos and measurements."""
