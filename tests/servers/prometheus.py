"""Prometheus, which asks processes for their metrics."""

from typing import Any, Final

import httpx

from tests.servers.process import Run, Server, find_program

BEGIN: Final = "scrape_configs: []\n"
ANSWER_S: Final = 30.0


class Prometheus(Server):
    """Asks nobody until it is configured."""

    name = "prometheus"
    needs = "Prometheus (make servers)"

    @classmethod
    def is_installed(cls) -> bool:
        return find_program("prometheus") is not None

    def prepare(self) -> None:
        (self.place.folder / "prometheus.yml").write_text(BEGIN)

    def run(self) -> Run:
        return Run(
            command=[
                find_program("prometheus") or "prometheus",
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--web.enable-lifecycle",
                f"--web.listen-address={self.address}",
            ]
        )

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://{self.address}/-/ready").is_success
        except httpx.TransportError:
            return False

    def configure(self, configuration: str) -> None:
        """Take this one from now on; httpx.HTTPStatusError with what is wrong with it."""
        (self.place.folder / "prometheus.yml").write_text(configuration)
        answer = httpx.post(f"http://{self.address}/-/reload", timeout=ANSWER_S)
        answer.raise_for_status()

    def query(self, expression: str) -> list[Any]:
        """The series that an expression has now; httpx.HTTPStatusError when it is wrong."""
        return self._data("query", query=expression)["result"]

    def known(self) -> set[str]:
        """The names of all metrics that it was told of, of those without a value too."""
        return set(self._data("metadata"))

    def _data(self, what: str, **asked: str) -> Any:
        answer = httpx.get(f"http://{self.address}/api/v1/{what}", params=asked, timeout=ANSWER_S)
        return answer.raise_for_status().json()["data"]
