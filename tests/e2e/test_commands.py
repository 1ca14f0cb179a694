"""Commands that look and tell, and tokens, each as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tertulia import __version__
from tertulia.assembly.process import call, wired
from tertulia.assembly.roles import ROLES
from tertulia.assembly.settings import load_settings
from tertulia.domain.events import TURNS, TurnRequested
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.ports.store import Store, Tx
from tests.e2e.server import Server, environment, tertulia


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("served") / "home") as server:
        yield server


def told(*arguments: str, home: Path, variables: dict[str, str] | None = None) -> str:
    """What a command that succeeds writes to stdout."""
    done = tertulia(*arguments, home=home, variables=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def told_json(*arguments: str, home: Path, variables: dict[str, str] | None = None) -> Any:
    return json.loads(told(*arguments, "--json", home=home, variables=variables))


def settings(home: Path, variables: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    return {s["setting"]: s for s in told_json("config", home=home, variables=variables)}


# Help.


def test_help_lists_every_command(tmp_path: Path) -> None:
    shown = told("--help", home=tmp_path)

    commands = "up run link roles config doctor relay token model backup restore key"
    assert [c for c in commands.split() if f"  {c} " not in shown] == []


@pytest.mark.parametrize("group", ["", "relay", "relay dead", "token", "model", "key"])
def test_help_tells_what_each_command_does_in_whole_sentences(tmp_path: Path, group: str) -> None:
    shown = told(*group.split(), "--help", home=tmp_path)
    _, _, commands = shown.partition("Commands:\n")

    lines = [line for line in commands.split("\n\n")[0].splitlines() if line]
    assert lines
    assert [line for line in lines if line.endswith("...")] == []


def test_a_question_ends_as_one(tmp_path: Path) -> None:
    done = tertulia("config", home=tmp_path, variables={"TERTULIA_RELAY_BACTH": "3"})
    assert done.stderr.endswith("did you mean TERTULIA_RELAY_BATCH?\n")


@pytest.mark.parametrize(
    "command",
    ["up", "run", "relay", "relay dead", "token", "token create", "model", "key", "doctor"],
)
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    assert "Usage: " in told(*command.split(), "--help", home=tmp_path)


def test_the_version_is_the_package_s(tmp_path: Path) -> None:
    assert told("--version", home=tmp_path) == f"{__version__}\n"


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    done = tertulia("upp", home=tmp_path)

    assert done.returncode == 2
    assert "No such command 'upp'" in done.stderr


# Roles.


def test_roles_are_listed_with_their_ports(tmp_path: Path) -> None:
    roles = {role["name"]: role for role in told_json("roles", home=tmp_path)}

    assert tuple(roles) == ROLES
    assert roles["relay"]["ports"][:4] == ["Store", "Signals", "Bus", "Carrier"]
    assert {"Http", "Store", "ChatModel"} <= set(roles["chat"]["ports"])
    for name in ROLES:
        assert name in told("roles", home=tmp_path)


# Config.


def test_config_says_where_each_setting_came_from(tmp_path: Path) -> None:
    (tmp_path / "tertulia.toml").write_text('model = "echo"\n[relay]\nevery_s = 7\nbatch = 9\n')
    (tmp_path / ".env").write_text("TERTULIA_RELAY_EVERY_S=8\nTERTULIA_LOG_LEVEL=debug\n")
    found = settings(tmp_path, {"TERTULIA_LOG_LEVEL": "error"})

    def of(name: str) -> tuple[Any, str]:
        return found[name]["value"], found[name]["origin"]

    assert of("home") == (str(tmp_path), "the environment (TERTULIA_HOME)")
    assert of("log_level") == ("error", "the environment (TERTULIA_LOG_LEVEL)")
    assert of("relay.every_s") == (8.0, f"{tmp_path / '.env'} (TERTULIA_RELAY_EVERY_S)")
    assert of("relay.batch") == (9, f"{tmp_path / 'tertulia.toml'} (relay.batch)")
    assert of("model") == ("echo", f"{tmp_path / 'tertulia.toml'} (model)")
    assert of("address") == ("127.0.0.1:8420", "default")


def test_the_command_line_is_stronger_than_the_environment(tmp_path: Path) -> None:
    done = tertulia(
        "config", "--json", "--home", str(tmp_path), variables={"TERTULIA_HOME": "/elsewhere"}
    )
    found = {setting["setting"]: setting for setting in json.loads(done.stdout)}

    assert found["home"]["value"] == str(tmp_path)
    assert found["home"]["origin"] == "the command line (--home)"


def test_files_in_the_working_directory_go_before_those_of_the_home(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    for place, level in ((here, "warning"), (home, "error")):
        place.mkdir()
        (place / "tertulia.toml").write_text(f'log_level = "{level}"\n')
    done = tertulia("config", "--json", home=home, cwd=here)
    found = {setting["setting"]: setting["value"] for setting in json.loads(done.stdout)}

    assert found["log_level"] == "warning"


def test_config_masks_secrets(tmp_path: Path) -> None:
    variables = {"TERTULIA_UPSTREAM_API_KEY": "hunter2", "TERTULIA_MASTER_KEY": "00" * 32}
    shown = told("config", home=tmp_path, variables=variables)
    found = settings(tmp_path, variables)

    assert "hunter2" not in shown
    assert "00" * 32 not in shown
    assert found["upstream.api_key"]["value"] == found["master.key"]["value"] == "********"


def test_every_setting_is_described(tmp_path: Path) -> None:
    assert [name for name, s in settings(tmp_path).items() if not s["description"]] == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TERTULIA_ADRESS", "127.0.0.1:1", "did you mean TERTULIA_ADDRESS"),
        ("TERTULIA_RELAY_EVERY", "3", "did you mean TERTULIA_RELAY_EVERY_S"),
        ("TERTULIA_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str, words: str) -> None:
    done = tertulia("config", home=tmp_path, variables={variable: value})

    assert done.returncode == 2
    assert variable in done.stderr
    assert words in done.stderr


# Tokens.


def test_create_prints_the_token_alone_and_it_works_at_once(server: Server) -> None:
    made = tertulia("token", "create", "a script", home=server.home)
    token = made.stdout.removesuffix("\n")

    assert made.stderr == ""
    assert token.startswith("tt_")
    assert token.split() == [token]
    answer = httpx.get(f"{server.url}/api/session", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["via"] == "token"


def test_a_revoked_token_is_refused_at_once_by_the_running_server(server: Server) -> None:
    made = told_json("token", "create", "short-lived", home=server.home)
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert httpx.get(f"{server.url}/api/conversations", headers=headers).status_code == 200
    told("token", "revoke", made["id"], home=server.home)

    assert httpx.get(f"{server.url}/api/conversations", headers=headers).status_code == 401
    assert made["id"] not in told("token", "list", home=server.home)


def test_the_list_names_tokens_and_never_shows_them(server: Server) -> None:
    made = told_json("token", "create", "named", home=server.home)
    listed = told_json("token", "list", home=server.home)

    assert made["id"] in {token["id"] for token in listed}
    assert "named" in told("token", "list", home=server.home)
    assert made["token"] not in json.dumps(listed)


def test_a_token_that_is_none_cannot_be_revoked(server: Server) -> None:
    done = tertulia("token", "revoke", "nothing", home=server.home)

    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no such token")


def test_tokens_can_be_made_before_the_first_start(tmp_path: Path) -> None:
    token = told("token", "create", home=tmp_path).strip()
    with Server(tmp_path) as server:
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{server.url}/api/session", headers=headers).status_code == 200


# The relay.


def test_one_pass_of_the_relay_ends_and_says_what_it_did(tmp_path: Path) -> None:
    report = told_json("relay", "--once", home=tmp_path)

    assert report == {
        "dropped": {"outbox": 0, "inbox": 0, "feed": 0},
        "carried": 0,
        "reclaimed": 0,
        "moved": 0,
        "waiting": {},
    }
    assert told("relay", "--once", home=tmp_path).startswith("Dropped 0 handled messages")


def test_one_pass_works_beside_a_running_server(server: Server) -> None:
    assert "dropped" in told_json("relay", "--once", home=server.home)


def test_there_are_no_dead_letters_at_first(tmp_path: Path) -> None:
    assert told_json("relay", "dead", "list", home=tmp_path) == []
    assert told("relay", "dead", "replay", "--all", home=tmp_path) == "0 dead letters due again.\n"


def test_a_dead_letter_is_listed_and_replayed(tmp_path: Path) -> None:
    letter = give_up_a_message(tmp_path)
    [listed] = told_json("relay", "dead", "list", home=tmp_path)

    assert (listed["id"], listed["topic"], listed["reason"]) == (letter, TURNS, "ValueError")
    assert letter in told("relay", "dead", "list", "--topic", TURNS, home=tmp_path)
    assert told("relay", "dead", "replay", letter, home=tmp_path) == "1 dead letter due again.\n"
    assert told_json("relay", "dead", "list", home=tmp_path) == []


def give_up_a_message(home: Path) -> str:
    """The id of a message that becomes a dead letter in this home."""
    event = TurnRequested(
        conversation_id=ConversationId("c"),
        message_id=MessageId("m"),
        reply_id=MessageId("r"),
        epoch=1,
    )

    def work(tx: Tx) -> str:
        tx.outbox.add(TURNS, "c", event)
        [taken] = tx.queue.take([TURNS], limit=1, lease=timedelta(seconds=30))
        assert tx.queue.settle(taken.id, taken.fence, "dead", reason="ValueError")
        return taken.id

    async def run() -> str:
        async with wired(load_settings({"home": home})) as wiring:
            store = await wiring.port(Store)
            return await store.write(work)

    return call(run)


def test_a_dead_letter_that_is_none_is_named(tmp_path: Path) -> None:
    done = tertulia("relay", "dead", "replay", "nothing", home=tmp_path)

    assert done.returncode == 2
    assert "dead letter" in done.stderr


def test_replay_wants_to_know_which(tmp_path: Path) -> None:
    assert tertulia("relay", "dead", "replay", home=tmp_path).returncode == 2


# Models.


def test_models_that_can_be_had_are_listed(tmp_path: Path) -> None:
    models = told_json("model", "list", home=tmp_path)

    assert models
    assert {model["state"] for model in models} == {"absent"}
    assert models[0]["name"] in told("model", "list", home=tmp_path)


@pytest.mark.parametrize("command", ["pull", "use", "remove"])
def test_a_model_that_is_none_is_named(tmp_path: Path, command: str) -> None:
    done = tertulia("model", command, "nobody", home=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no model")


def test_a_model_that_is_not_here_yet_has_to_be_pulled(tmp_path: Path) -> None:
    done = tertulia("model", "use", "smollm2-135m-instruct", home=tmp_path)

    assert done.returncode == 2
    assert done.stderr == "Error: There is no smollm2-135m-instruct here yet: pull it first.\n"


def test_a_start_is_not_spent_on_looking_for_garbage(tmp_path: Path) -> None:
    """By default Python looks a hundred times through what has just been imported."""
    counted = """
import atexit, gc
atexit.register(lambda: print(sum(each["collections"] for each in gc.get_stats())))
from tertulia.__main__ import main
main()
"""
    command = [sys.executable, "-c", counted, "config", "--home", str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 50
