"""The program: `tertulia` and `python -m tertulia`."""

import gc
import signal
from typing import Final

GARBAGE_AT: Final = 10_000
"""So many new objects are looked through for garbage at once. With Python's 700, an eighth of a
start's CPU goes into looking through what it has just imported."""


def main() -> None:
    """While modules are imported nothing is open, so an interrupt just ends the process. As an
    exception it would show forty lines of Python, or get lost in a finalizer. Work that has
    something to put in order says so (`interruptible`)."""
    gc.set_threshold(GARBAGE_AT)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tertulia.cli import main as command

    command()


if __name__ == "__main__":
    main()
