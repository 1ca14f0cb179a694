"""NATS with JetStream."""

from collections.abc import Sequence
from typing import Final

from tests.servers.identity import self_signed
from tests.servers.process import Run, Server, find_program

USER: Final = "user"
PASSWORD: Final = "p@ss"


class NATS(Server):
    """Its second port is that of the HTTP monitoring."""

    name = "nats"
    needs = "NATS (make servers)"
    ports = 2

    @classmethod
    def is_installed(cls) -> bool:
        return find_program("nats-server") is not None

    @property
    def url(self) -> str:
        return f"nats://{self.address}"

    def run(self) -> Run:
        place = ["--addr", self.place.address, "--port", str(self.port)]
        monitoring = ["--http_port", str(self.place.ports[1])]
        return Run(
            command=[
                find_program("nats-server") or "nats-server",
                "--jetstream",
                "--store_dir",
                "data",
                *place,
                *monitoring,
                *self.options(),
            ]
        )

    def options(self) -> Sequence[str]:
        return ()

    def is_ready(self) -> bool:
        return self.accepts()


class SecureNATS(NATS):
    """With TLS by a certificate of its own, for one user with a password."""

    name = "nats-tls"

    def secure_url(self, signed: str) -> str:
        """`signed`: what stands before the host, `@` included."""
        return f"tls://{signed}{self.address}/?cafile={self.place.folder / 'cert.pem'}"

    def options(self) -> Sequence[str]:
        tls = ["--tls", "--tlscert", "cert.pem", "--tlskey", "key.pem"]
        return [*tls, "--user", USER, "--pass", PASSWORD]

    def prepare(self) -> None:
        own = self_signed(self.place.address)
        (self.place.folder / "cert.pem").write_bytes(own.certificate_pem)
        (self.place.folder / "key.pem").write_bytes(own.key_pem)
