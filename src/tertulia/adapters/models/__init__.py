"""Several sources of chat models as one."""
