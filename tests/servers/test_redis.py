import socket

import pytest

from tests.servers.redis import Redis

pytestmark = pytest.mark.server


def test_killed_redis_keeps_what_was_written(redis: Redis) -> None:
    assert ask(redis, "SET told again") == "+OK"
    redis.kill()
    redis.start()
    assert ask(redis, "GET told") == "$5\r\nagain"


def ask(redis: Redis, command: str) -> str:
    """In its protocol's inline form."""
    with socket.create_connection((redis.place.address, redis.port), timeout=30) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(1000).decode().strip()
