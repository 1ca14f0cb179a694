"""Settings that name files for TLS: read when a process starts, not when it first connects."""

import ssl
from pathlib import Path


def authorities(path: Path | None) -> Path | None:
    """The same path. ValueError when no certificates (PEM) can be read there."""
    if path is not None:
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            msg = f"should name a file with certificates (PEM); {_reason(error)}"
            raise ValueError(msg) from error
    return path


def own_certificate(path: Path | None) -> Path | None:
    """The same path. ValueError when no certificate with its key (PEM) can be read there."""
    if path is not None:
        try:
            # A key with a passphrase would be asked for at the terminal.
            ssl.create_default_context().load_cert_chain(path, password="")
        except OSError as error:
            msg = f"should name a file with a certificate and its key (PEM); {_reason(error)}"
            raise ValueError(msg) from error
    return path


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "what is there is none"
    return f"it cannot be read ({type(error).__name__})"
