"""NATS with JetStream."""

import shutil

from tests.servers.process import Run, Server


class NATS(Server):
    name = "nats"
    needs = "NATS (make servers)"

    @classmethod
    def is_installed(cls) -> bool:
        return shutil.which("nats-server") is not None

    @property
    def url(self) -> str:
        return f"nats://{self.address}"

    def run(self) -> Run:
        place = ["--addr", self.place.address, "--port", str(self.port)]
        return Run(command=["nats-server", "--jetstream", "--store_dir", "data", *place])

    def is_ready(self) -> bool:
        return self.accepts()
