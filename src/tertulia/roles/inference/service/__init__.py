"""The use cases of inference, one in each module."""
