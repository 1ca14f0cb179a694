"""The bus over a broker: envelopes, lanes and verdicts, whichever broker it is."""
