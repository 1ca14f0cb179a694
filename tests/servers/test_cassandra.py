import pytest

from tests.servers.cassandra import Cassandra

pytestmark = pytest.mark.server


def test_keyspaces_are_fresh_and_dropped(cassandra: Cassandra) -> None:
    names: list[str] = []
    for _ in range(2):
        with cassandra.keyspace() as url:
            names.append(url.rpartition("/")[2])
            cassandra.execute(f"CREATE TABLE {names[-1]}.told (id int PRIMARY KEY, word text)")
    left = cassandra.execute("SELECT keyspace_name FROM system_schema.keyspaces")
    assert not {row.keyspace_name for row in left} & set(names)


def test_killed_node_is_not_missed_and_comes_back(cassandra_alone: Cassandra) -> None:
    cluster = cassandra_alone
    node = cluster.nodes[1]
    with cluster.keyspace() as url:
        cluster.execute(f"USE {url.rpartition('/')[2]}")
        cluster.execute("CREATE TABLE told (id int PRIMARY KEY, word text)")
        cluster.execute("INSERT INTO told (id, word) VALUES (1, 'before')")
        node.kill()
        assert not node.accepts()
        cluster.execute("INSERT INTO told (id, word) VALUES (2, 'meanwhile')")
        cluster.mend()
        assert node.accepts()
        cluster.execute(f"USE {url.rpartition('/')[2]}")
        told = cluster.execute("SELECT word FROM told")
        assert {row.word for row in told} == {"before", "meanwhile"}
