"""LiteLLM beside us: the same endpoint, the same load, the same machine and minute.

It is installed from the package index into a virtual environment that is thrown away.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.footprint import run, size_mb
from bench.processes import free_port, percentile, pss_mb, upstream
from bench.relay import STREAMS, completion, endpoint, relayed
from bench.start import SETTLE_S, answers
from tests.e2e.server import environment

PACKAGE: Final = "litellm[proxy]==1.106.*"
VARIABLES: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    # It is reached from this machine only, like our own --open.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
CONFIG: Final = """\
model_list:
  - model_name: fake
    litellm_params: {model: openai/fake, api_base: "%s", api_key: none}
"""


def measure() -> list[Figure]:
    """The figures that it shares with us."""
    place = Path(tempfile.mkdtemp(prefix="tertulia-bench-"))
    try:
        return [*installed(place), *served(place)]
    finally:
        shutil.rmtree(place)


def installed(place: Path) -> list[Figure]:
    uv = str(Path(sys.executable).parent / "uv")
    python = str(place / "venv/bin/python")
    run(uv, "venv", "--quiet", "--python", sys.executable, str(place / "venv"))
    run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, PACKAGE)
    listed = run(uv, "pip", "list", "--format", "freeze", "--python", python)
    return [
        Figure(name="LiteLLM: installed size", value=size_mb(place / "venv"), unit="MB"),
        Figure(name="LiteLLM: packages", value=len(listed.splitlines()), unit=""),
    ]


def served(place: Path) -> list[Figure]:
    with upstream(tokens=64) as (bare, _), proxy(place, bare) as (port, pid, start_s):
        memory_mb = pss_mb(pid)
        json, json_ms = relayed(port, pid, stream=False)
        sse, sse_ms = relayed(port, pid, stream=True)
    with upstream(tokens=64, pace_ms=10) as (bare, _), proxy(place, bare) as (port, _, _):
        direct = completion(bare, stream=True, connections=STREAMS)
        paced = completion(port, stream=True, connections=STREAMS)
    added_ms = percentile(paced.first_ms, 0.5) - percentile(direct.first_ms, 0.5)
    return [
        Figure(name="LiteLLM: start to first 200", value=start_s, unit="s"),
        Figure(name="LiteLLM: idle memory (PSS)", value=memory_mb, unit="MB"),
        Figure(
            name="LiteLLM: relay of a JSON answer, 64 at once",
            value=json.per_s,
            unit="/s",
            note=f"{json_ms:.1f} ms CPU",
        ),
        Figure(
            name="LiteLLM: relay of a 64-token stream, 64 at once",
            value=sse_ms,
            unit="ms CPU",
            note=f"{sse.per_s:,.0f}/s",
        ),
        Figure(name="LiteLLM: time to first token added", value=added_ms, unit="ms p50"),
    ]


@contextmanager
def proxy(place: Path, endpoint_port: int) -> Generator[tuple[int, int, float]]:
    """Its port, its process and how long it took to answer."""
    port = free_port()
    config = place / "config.yaml"
    config.write_text(CONFIG % endpoint(endpoint_port))
    command = [str(place / "venv/bin/litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=place,
        env=environment(VARIABLES),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(port, "/health/liveliness"):
            if process.poll() is not None:
                msg = "LiteLLM did not start"
                raise RuntimeError(msg)
            time.sleep(0.02)
        start_s = time.perf_counter() - started
        time.sleep(SETTLE_S)
        yield port, process.pid, start_s
    finally:
        process.terminate()
        process.wait(30)
