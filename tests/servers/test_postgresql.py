import psycopg
import pytest
from psycopg import pq

from tests.servers.fixtures import Private
from tests.servers.postgresql import DurablePostgreSQL, PostgreSQL

pytestmark = pytest.mark.server


def test_databases_are_fresh_and_dropped(postgres: PostgreSQL) -> None:
    urls: list[str] = []
    for _ in range(2):
        with postgres.database() as url, psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE told (word text)")
            urls.append(url)
    for url in urls:
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(url)


def test_killed_postgres_keeps_what_was_committed(private: Private) -> None:
    server = private(PostgreSQL)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE told (word text)")
        connection.execute("INSERT INTO told VALUES ('again')")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.start()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT word FROM told").fetchall() == [("again",)]


def test_durable_postgres_waits_for_the_disk(private: Private) -> None:
    with psycopg.connect(private(DurablePostgreSQL).url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == ("on",)


def test_frozen_postgres_answers_once_it_thaws(private: Private) -> None:
    server = private(PostgreSQL)
    connection = pq.PGconn.connect(server.url.encode())
    server.freeze()
    connection.send_query(b"SELECT 1")
    connection.consume_input()
    assert connection.is_busy()
    server.thaw()
    answer = connection.get_result()
    assert answer is not None
    assert answer.get_value(0, 0) == b"1"
    connection.finish()
