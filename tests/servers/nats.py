"""NATS with JetStream."""

from tests.servers.process import Run, Server, find_program


class NATS(Server):
    name = "nats"
    needs = "NATS (make servers)"

    @classmethod
    def is_installed(cls) -> bool:
        return find_program("nats-server") is not None

    @property
    def url(self) -> str:
        return f"nats://{self.address}"

    def run(self) -> Run:
        place = ["--addr", self.place.address, "--port", str(self.port)]
        return Run(
            command=[
                find_program("nats-server") or "nats-server",
                "--jetstream",
                "--store_dir",
                "data",
                *place,
            ]
        )

    def is_ready(self) -> bool:
        return self.accepts()
