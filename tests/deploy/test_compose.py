"""The compose file, as far as it can be held without an engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
import yaml

from tertulia.adapters.cassandra.settings import MessagesSettings
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.adapters.keyfile import EnvironmentVault
from tertulia.assembly.placement import Placement
from tertulia.assembly.roles import ROLES, settings_classes
from tertulia.cli.app import app
from tertulia.kit.setting_sources import from_variables
from tertulia.kit.settings import SettingsInForce, known_keys, settle
from tests.deploy.composition import (
    COMPOSE,
    DEPLOY,
    Composition,
    VariableMissingError,
    health_command,
    make_variables,
    raw,
)

SCHEMA: Final = (Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema")
SERVERS: Final = {"postgres", "redis", "s3", "s3-bucket"}
STARTED: Final[dict[tuple[str, ...], set[str]]] = {
    (): set(),
    ("core",): {*ROLES, *SERVERS, "rabbitmq"},
    ("kafka",): {*ROLES, *SERVERS, "kafka"},
    ("nats",): {*ROLES, *SERVERS, "nats"},
    ("cassandra",): {"cassandra"},
    ("observability",): {"prometheus", "grafana"},
}
SUGGESTED: Final = re.compile(r"^# ([A-Z_]+)=(\S+)$", re.MULTILINE)
SECRET: Final = re.compile(r".*(KEY|PASSWORD|PASS|AUTH|SECRET)$")


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With the lines that are there to be taken, but begin as comments."""
    suggested = SUGGESTED.findall((DEPLOY / ".env.example").read_text("utf-8"))
    return make_variables(tmp_path_factory.mktemp("deploy")) | dict(suggested)


@pytest.fixture(scope="module")
def composition(variables: dict[str, str]) -> Composition:
    return Composition.read(variables)


def settings_of(service: Any) -> SettingsInForce:
    sections = settings_classes()
    given = from_variables(service["environment"], "compose", list(known_keys(sections)))
    assert len(given) == len(service["environment"])
    return settle(sections, [given])


def check_schema(file: Path) -> int:
    command = [*SCHEMA, "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_it_fits_the_schema_of_compose_files(tmp_path: Path) -> None:
    assert check_schema(COMPOSE) == 0
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text().replace("stop_grace_period", "stop_grace"))
    assert check_schema(wrong) == 1


@pytest.mark.parametrize("name", ROLES)
def test_each_variable_of_a_role_is_a_setting_that_it_may_have(
    composition: Composition, name: str
) -> None:
    settings = settings_of(composition.roles[name])
    Placement.of([name]).check(settings)


@pytest.mark.parametrize("name", ROLES)
def test_a_server_of_one_node_is_asked_for_one_copy(composition: Composition, name: str) -> None:
    settings = settings_of(composition.roles[name])
    assert settings.of(KafkaSettings).replication == 1
    assert settings.of(MessagesSettings).copies == 1


@pytest.mark.parametrize("name", ROLES)
def test_each_role_has_a_service_whose_command_runs_it(composition: Composition, name: str) -> None:
    program, *arguments = composition.roles[name]["command"]
    group: Any = typer.main.get_command(app)
    with group.make_context("tertulia", [program, *arguments], resilient_parsing=True) as context:
        command = group.get_command(context, program)
        with command.make_context(program, list(arguments), parent=context) as parsed:
            assert parsed.params["roles"] == [name]


def test_there_is_a_service_for_each_role_and_no_other(composition: Composition) -> None:
    assert set(composition.roles) == set(ROLES)


def test_peers_are_services_and_where_they_listen(composition: Composition) -> None:
    listens = re.search(r"TERTULIA_ADDRESS=0\.0\.0\.0:(\d+)", (DEPLOY / "Dockerfile").read_text())
    assert listens
    for service in composition.roles.values():
        for variable, url in service["environment"].items():
            if variable.startswith("TERTULIA_PEERS_"):
                assert url == f"http://{variable.rpartition('_')[2].lower()}:{listens[1]}"


@pytest.mark.parametrize("profiles", STARTED, ids="+".join)
def test_a_profile_starts_what_it_needs_and_no_more(
    composition: Composition, profiles: tuple[str, ...]
) -> None:
    assert composition.started(*profiles) == STARTED[profiles]


@pytest.mark.parametrize("profiles", STARTED, ids="+".join)
def test_what_must_be_healthy_first_is_started_too(
    composition: Composition, profiles: tuple[str, ...]
) -> None:
    started = composition.started(*profiles)
    for name in started:
        for other, how in composition.services[name].get("depends_on", {}).items():
            assert other in started or how.get("required") is False
            awaited = composition.services[other]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in awaited


def test_a_role_is_checked_as_its_image_says(composition: Composition) -> None:
    """Which an image in the OCI format does not say."""
    for service in composition.roles.values():
        assert service["healthcheck"]["test"] == ["CMD", "python", *health_command()[1:]]


def test_a_server_that_stores_has_a_check_a_volume_and_no_way_out(composition: Composition) -> None:
    assert composition.content["networks"]["servers"]["internal"] is True
    servers = {name for name in composition.services if name not in composition.roles}
    for name in servers - {"s3-bucket", "prometheus", "grafana"}:
        service = composition.services[name]
        assert service["networks"] == ["servers"]
        assert service["healthcheck"]["test"]
        named = [each.partition(":")[0] for each in service.get("volumes", [])]
        assert named == ([] if name == "redis" else [name])
        assert set(named) <= set(composition.content["volumes"])


def test_only_the_gateway_and_grafana_are_reached_and_only_from_here(
    composition: Composition,
) -> None:
    published = {
        name: each["ports"] for name, each in composition.services.items() if "ports" in each
    }
    assert published == {"gateway": ["127.0.0.1:8420:8420"], "grafana": ["127.0.0.1:3000:3000"]}


def test_images_are_named_by_version(composition: Composition) -> None:
    for service in composition.services.values():
        if "build" not in service:
            assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", service["image"])


def test_no_secret_is_in_the_files() -> None:
    """What is one comes from a variable that has to be set, and the example sets none."""
    content = raw()
    environments = [each.get("environment", {}) for each in content["services"].values()]
    secrets = {
        str(value)
        for environment in environments
        for name, value in environment.items()
        if SECRET.fullmatch(name)
    }
    assert len(secrets) >= 5
    assert all(re.fullmatch(r"\$\{\w+:\?.+\}", value) for value in secrets)
    for line in (DEPLOY / ".env.example").read_text().splitlines():
        name, _, value = line.partition("=")
        assert not (SECRET.fullmatch(name) and value)


def test_without_secrets_nothing_starts(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        if SECRET.fullmatch(name):
            assert len(value) == 64
            with pytest.raises(VariableMissingError):
                Composition.read({**variables, name: ""})


def test_secrets_are_fresh_for_the_owner_alone_and_never_made_anew(tmp_path: Path) -> None:
    made: list[dict[str, str]] = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        made.append(make_variables(folder))
        before = (folder / ".env").read_bytes()
        assert (folder / ".env").stat().st_mode & 0o777 == 0o600
        again = subprocess.run([folder / "secrets.sh"], capture_output=True, check=False)
        assert (again.returncode, (folder / ".env").read_bytes()) == (1, before)
    secrets = [value for each in made for name, value in each.items() if SECRET.fullmatch(name)]
    assert len(secrets) == len(set(secrets)) == 14
    assert EnvironmentVault(made[0]["MASTER_KEY"]).version == 1
    assert made[0]["RABBITMQ_PASSWORD"] in made[0]["BUS_URL"]


def test_prometheus_asks_every_role(composition: Composition) -> None:
    configured = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    [job] = configured["scrape_configs"]
    [found] = job["dns_sd_configs"]
    assert set(found["names"]) == set(composition.roles)
    assert f":{found['port']}" in composition.roles["gateway"]["ports"][0]


def test_files_that_are_mounted_are_there(composition: Composition) -> None:
    for service in composition.services.values():
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).exists()
