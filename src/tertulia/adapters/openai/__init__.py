"""Chat models behind any OpenAI-compatible endpoint."""
