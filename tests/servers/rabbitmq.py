"""RabbitMQ."""

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from tests.servers.process import Run, Server, find_program

# Debian's own rabbitmq-server wants to be root and knows one place for the data; the one that it
# wraps does not. Elsewhere there is only that one.
PROGRAMS: Final = ("usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server",)

SETTINGS: Final = """\
listeners.tcp.default = {address}:{port}
management.tcp.ip = {address}
management.tcp.port = {management}
log.console = true
log.console.level = warning
log.file = false
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
"""
# Its own name server, in the foreground: else Erlang starts one that stays for ever.
SCRIPT: Final = 'epmd -address {address} -port {names} & exec "$@"'


def program() -> str | None:
    found = sorted(str(path) for pattern in PROGRAMS for path in Path("/").glob(pattern))
    return found[-1] if found else find_program("rabbitmq-server")


class RabbitMQ(Server):
    """With its HTTP interface, and the user `guest` who may do everything.

    A quorum queue is safe from `kill` half a second after it was declared, or after `stop`: older
    ones write its name down no sooner (rabbitmq/ra#443), and then never find it a leader again.
    """

    name = "rabbitmq"
    needs = "RabbitMQ (make servers)"
    ports = 4

    @classmethod
    def is_installed(cls) -> bool:
        return program() is not None

    @property
    def url(self) -> str:
        """Of the virtual host `/`."""
        return self.url_of("%2F")

    def url_of(self, vhost: str) -> str:
        return f"amqp://guest:guest@{self.address}/{vhost}"

    @contextmanager
    def vhost(self) -> Generator[str]:
        """The URL of a fresh virtual host, removed at the end with its queues and connections."""
        name = f"test-{uuid.uuid4().hex}"
        self.api("PUT", f"vhosts/{name}")
        self.api(
            "PUT", f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"}
        )
        try:
            yield self.url_of(name)
        finally:
            if self.is_running:
                self.api("DELETE", f"vhosts/{name}")

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Ask the HTTP interface, `path` below `/api/`; httpx.HTTPError when it refuses."""
        url = f"http://{self.place.address}:{self.place.ports[1]}/api/{path}"
        answer = httpx.request(method, url, json=body, auth=("guest", "guest"), timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def prepare(self) -> None:
        (self.place.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        settings = SETTINGS.format(
            address=self.place.address, port=self.port, management=self.place.ports[1]
        )
        (self.place.folder / "rabbitmq.conf").write_text(settings)

    def run(self) -> Run:
        _, _, names, distribution = self.place.ports
        folder = self.place.folder
        script = SCRIPT.format(address=self.place.address, names=names)
        environment = {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": self.place.address,
            "ERL_EPMD_PORT": str(names),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        return Run(
            command=["/bin/sh", "-c", script, "sh", program() or ""], environment=environment
        )

    def is_ready(self) -> bool:
        try:
            self.api("GET", "health/checks/local-alarms")
        except httpx.HTTPError:
            return False
        return self.accepts()
