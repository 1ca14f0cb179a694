"""The one door: sign-in, tokens, rate limits."""
