"""Start to the first answer, and memory when idle."""

import http.client
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final
from uuid import uuid4

from bench.figures import Figure, at_most
from bench.processes import free_port, pss_mb
from bench.product import product
from tests.e2e.server import environment

STARTS: Final = 7
SETTLE_S: Final = 3.0


def measure() -> list[Figure]:
    """Median of several starts, each with a home that exists; and the first of all."""
    home = Path(tempfile.mkdtemp(prefix="tertulia-bench-"))
    try:
        first = start_s(home)
        again = [start_s(home) for _ in range(STARTS)]
    finally:
        shutil.rmtree(home)
    return [
        at_most(
            "start to first 200",
            statistics.median(again),
            "s",
            2,
            peers="Open WebUI 14 s, LiteLLM 6.6 s",
            note=f"first start with an empty home {first:.2f} s",
        ),
        memory(),
    ]


def start_s(home: Path) -> float:
    """From the spawn to the first 200 of `/ready`."""
    port = free_port()
    command = [sys.executable, "-m", "tertulia", "up", "--home", str(home)]
    command += ["--address", f"127.0.0.1:{port}", "--model", "echo"]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not answers(port):
            time.sleep(0.005)
        return time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int, path: str = "/ready") -> bool:
    """Whether a GET is answered 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def memory() -> Figure:
    """After a first turn, so that what loads lazily is loaded."""
    with product() as server:
        conversation = server.conversation()
        body = {"id": str(uuid4()), "text": "hello"}
        server.call("POST", f"/api/conversations/{conversation}/turns", body)
        time.sleep(SETTLE_S)
        return at_most(
            "idle memory (PSS)",
            pss_mb(server.pid),
            "MB",
            120,
            peers="Open WebUI 779 MB, LiteLLM 300 MB",
        )
