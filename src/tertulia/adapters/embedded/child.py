"""The process around llama.cpp: loads one model and serves it on loopback.

It is run as a file and imports nothing of Tertulia. A process of its own, because loading and
unloading hold the interpreter's lock (0.5 s for the smallest model, during which nothing else in
a process can run), because an exit in mid-answer crashes the interpreter, and because only the
end of a process surely gives its memory back.

One line of JSON comes in by standard input (see `Launch` in runtime.py) and one goes out,
`{"address": …}` or `{"error": …}`. It lives until standard input ends, so that it can never
outlive the process that started it, however that one died.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any

NICENESS = 2
"""So that the server, which mostly waits, goes first on a machine with few cores."""


def main() -> None:
    try:
        _serve()
    finally:
        # Not by way of destructors: they wait for running answers, crash on them or hang.
        os._exit(0)


def _serve() -> None:
    # The parent decides when to stop: Ctrl-C and a service manager's TERM reach both, and the
    # parent still lets running answers finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    report = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    launch = json.loads(sys.stdin.readline())
    try:
        server = _server(launch)
        answer = {"address": server.listening_address}
    except Exception as error:  # noqa: BLE001  whatever it is, the parent must hear of it
        answer = {"error": f"{type(error).__name__}: {error}"}
    os.write(report, json.dumps(answer).encode() + b"\n")
    sys.stdin.read()


def _server(launch: dict[str, Any]) -> Any:
    # Only this process may pay for it. It comes without types.
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = launch["path"]
    params.n_ctx = launch["window_tokens"] * launch["slots"]
    params.n_parallel = launch["slots"]
    params.cpuparams.n_threads = launch["threads"]
    params.cpuparams_batch.n_threads = launch["batch_threads"]
    params.n_threads_http = launch["slots"] + 2
    params.n_batch = params.n_ubatch = launch["batch_tokens"]
    params.cache_ram_mib = launch["prefix_cache_mib"]
    params.api_keys = [launch["key"]]
    params.hostnames = ["127.0.0.1"]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False
    params.fit_params = False
    params.verbosity = 1
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
