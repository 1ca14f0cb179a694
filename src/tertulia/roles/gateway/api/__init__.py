"""The gateway's edge: who calls, and the routes to sign in and out."""
