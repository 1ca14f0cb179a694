"""NATS with JetStream."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from typing import Final

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
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = dt.datetime.now(dt.UTC)
        address = x509.IPAddress(ipaddress.ip_address(self.place.address))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (self.place.folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
        (self.place.folder / "key.pem").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
