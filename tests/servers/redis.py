"""Redis."""

from tests.servers.process import Run, Server, find_program


class Redis(Server):
    """Each second's writes are on the disk, so that it comes back with its data."""

    name = "redis"
    needs = "Redis (make servers)"

    @classmethod
    def is_installed(cls) -> bool:
        return find_program("redis-server") is not None

    @property
    def url(self) -> str:
        return f"redis://{self.address}/0"

    def run(self) -> Run:
        settings = {
            "bind": self.place.address,
            "port": str(self.port),
            "dir": ".",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return Run(command=[find_program("redis-server") or "redis-server", *options])

    def is_ready(self) -> bool:
        return self.accepts()
