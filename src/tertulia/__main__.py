"""The program: `tertulia` and `python -m tertulia`."""

import signal


def main() -> None:
    """While modules are imported nothing is open: an interrupt then ends it without a traceback."""
    interrupted = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tertulia.cli import main as command

    signal.signal(signal.SIGINT, interrupted)
    command()


if __name__ == "__main__":
    main()
