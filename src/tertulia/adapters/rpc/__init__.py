"""Calls between the roles of several processes, over HTTP."""
