"""`python -m tests.wires`: adds a sample of each wire that today's code writes in another form."""

import sys

from tests.wires.all import WIRES

if __name__ == "__main__":
    for wire in WIRES:
        if not wire.is_current():
            sys.stdout.write(f"{wire.add_sample()}\n")
