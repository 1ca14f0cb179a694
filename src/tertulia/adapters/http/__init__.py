"""HTTP on FastAPI and uvicorn."""
