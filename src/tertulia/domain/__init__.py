"""What Tertulia speaks of: frozen values, ids, events and rules; no I/O."""
