"""`python -m tests.simulation --seed N [--trace]`, or `--seeds FIRST:LAST [--processes K]`."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.simulate import Outcome, simulate


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of seeds that failed, at most 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="replay one seed")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument("--seeds", default="0:100", help="FIRST:LAST, the last not included")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args(arguments)
    if given.seed is not None:
        outcome = simulate(given.seed, show=_print if given.trace else None)
        _print(f"{outcome}")
        return int(bool(outcome.failure))
    first, _, last = given.seeds.partition(":")
    return run_many(range(int(first), int(last)), given.processes)


def run_many(seeds: Sequence[int], processes: int) -> int:
    """Tell of each seed that fails, and of all of them together."""
    began = time.monotonic()
    if processes == 1:
        return _summed(map(simulate, seeds), began)
    with ProcessPoolExecutor(processes) as pool:
        return _summed(pool.map(simulate, seeds, chunksize=10), began)


def _summed(outcomes: Iterable[Outcome], began: float) -> int:
    done: list[Outcome] = []
    for outcome in outcomes:
        done.append(outcome)
        if outcome.failure:
            _print(f"seed {outcome.seed}: {outcome.failure}\n  replay: python -m tests.simulation "
                   f"--seed {outcome.seed} --trace")  # fmt: skip
    failed = sum(bool(outcome.failure) for outcome in done)
    ends = Counter(end for outcome in done for end in outcome.ends)
    _print(
        f"{len(done)} seeds, {failed} failed; {sum(o.turns for o in done)} turns, "
        f"{sum(o.deaths for o in done)} deaths, {sum(o.handed_over for o in done)} handed over, "
        f"{sum(o.virtual_s for o in done):.0f} virtual s in {time.monotonic() - began:.0f} s; "
        f"healed after {max(o.healed_s for o in done):.1f} s at most; "
        f"replies: {', '.join(f'{count} {end}' for end, count in sorted(ends.items()))}"
    )
    return int(failed > 0)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
