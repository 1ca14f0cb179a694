"""Settings: sources by strength, every value with its origin, errors that name the setting."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError

from tertulia.kit.setting_sources import from_dotenv, from_toml, from_variables
from tertulia.kit.settings import (
    MASK,
    Given,
    Key,
    Layer,
    Settings,
    SettingsError,
    known_keys,
    settle,
)


class Top(Settings):
    section: ClassVar[str] = ""
    home: Path = Path("/home")
    """Where things are."""
    open: bool = False


class Relay(Settings):
    section: ClassVar[str] = "relay"
    batch: int = Field(default=10, ge=1, le=100)
    topics: tuple[str, ...] = ()
    delays: dict[str, float] = Field(default_factory=dict)
    key: SecretStr = SecretStr("")


SECTIONS = (Top, Relay)
KNOWN = list(known_keys(SECTIONS))


def variables(**values: str) -> Layer:
    return from_variables(values, "the environment", KNOWN)


def toml(tmp_path: Path, text: str) -> Layer:
    path = tmp_path / "tertulia.toml"
    path.write_text(text, "utf-8")
    return from_toml(path, KNOWN)


def test_defaults_hold_when_nobody_says_anything() -> None:
    settings = settle(SECTIONS, [])

    assert settings.of(Relay).batch == 10
    assert settings.origin(Relay, "batch") == "default"


def test_the_stronger_source_wins_and_is_named() -> None:
    weak = {Key("relay", "batch"): Given(5, "a file"), Key("", "open"): Given("yes", "a file")}
    settings = settle(SECTIONS, [variables(TERTULIA_RELAY_BATCH="7"), weak])

    assert settings.of(Relay).batch == 7
    assert settings.origin(Relay, "batch") == "the environment (TERTULIA_RELAY_BATCH)"
    assert settings.of(Top).open


def test_a_wrong_value_names_setting_source_and_what_is_allowed() -> None:
    with pytest.raises(SettingsError) as caught:
        settle(SECTIONS, [variables(TERTULIA_RELAY_BATCH="101")])

    assert caught.value.message == (
        "relay.batch (from the environment (TERTULIA_RELAY_BATCH)) should be less than or equal "
        "to 100."
    )


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        settle(SECTIONS, [variables(TERTULIA_RELAY_BATCH="x", TERTULIA_OPEN="perhaps")])

    assert "relay.batch" in caught.value.message
    assert "open" in caught.value.message


def test_a_wrong_secret_is_not_repeated() -> None:
    layer = {Key("relay", "key"): Given(["hunter2"], "a file")}
    with pytest.raises(SettingsError) as caught:
        settle(SECTIONS, [layer])

    assert "hunter2" not in caught.value.message


def test_an_unknown_variable_is_an_error_that_guesses_what_was_meant() -> None:
    with pytest.raises(SettingsError, match="did you mean TERTULIA_RELAY_BATCH"):
        variables(TERTULIA_RELAY_BATHC="7")


def test_a_variable_like_no_other_lists_what_is_allowed() -> None:
    with pytest.raises(SettingsError, match=r"allowed are TERTULIA_HOME, TERTULIA_OPEN"):
        variables(TERTULIA_XYZZYQ="7")


def test_variables_of_other_programs_do_not_matter() -> None:
    assert variables(PATH="/bin", RELAY_BATCH="7") == {}


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert variables(TERTULIA_RELAY_BATCH="") == {}


@pytest.mark.parametrize("text", ["turns, replies", '["turns", "replies"]'])
def test_lists_come_from_the_environment_with_commas_or_as_json(text: str) -> None:
    settings = settle(SECTIONS, [variables(TERTULIA_RELAY_TOPICS=text)])

    assert settings.of(Relay).topics == ("turns", "replies")


def test_mappings_come_from_the_environment_as_json() -> None:
    settings = settle(SECTIONS, [variables(TERTULIA_RELAY_DELAYS='{"turns": 0.5}')])

    assert settings.of(Relay).delays == {"turns": 0.5}


def test_sections_of_a_file_are_read(tmp_path: Path) -> None:
    layer = toml(tmp_path, 'home = "/srv"\n[relay]\nbatch = 3\n')
    settings = settle(SECTIONS, [layer])

    assert settings.of(Top).home == Path("/srv")
    assert settings.of(Relay).batch == 3
    assert settings.origin(Relay, "batch") == f"{tmp_path / 'tertulia.toml'} (relay.batch)"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[relay]\nbacth = 3", r"relay\.bacth .* did you mean relay\.batch"),
        ("[realy]\nbatch = 3", r"realy .* did you mean relay"),
        ("relay = 3", r"relay .* is a section; write it as \[relay\]"),
        ("relay = [", "is not valid TOML"),
    ],
)
def test_a_mistake_in_a_file_names_the_file(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        toml(tmp_path, text)

    assert str(tmp_path / "tertulia.toml") in caught.value.message


def test_a_dotenv_file_is_read_like_the_environment(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text('OTHER=1\nexport TERTULIA_RELAY_BATCH="4" # four\n', "utf-8")
    settings = settle(SECTIONS, [from_dotenv(path, KNOWN)])

    assert settings.of(Relay).batch == 4
    assert settings.origin(Relay, "batch") == f"{path} (TERTULIA_RELAY_BATCH)"


def test_absent_files_say_nothing(tmp_path: Path) -> None:
    assert from_dotenv(tmp_path / ".env", KNOWN) == {}
    assert from_toml(tmp_path / "tertulia.toml", KNOWN) == {}


def test_secrets_are_masked_where_settings_are_shown() -> None:
    settings = settle(SECTIONS, [variables(TERTULIA_RELAY_KEY="hunter2")])

    shown = {str(setting.key): setting.value for setting in settings}
    assert shown["relay.key"] == MASK
    assert shown["home"] == "/home"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://ann:hunter2@h:6379/0", f"redis://ann:{MASK}@h:6379/0"),
        ("rediss://:hunt@er2@h", f"rediss://:{MASK}@h"),
        ("redis://ann@h:6379/0", "redis://ann@h:6379/0"),
        ("http://h:1/a:b@c", "http://h:1/a:b@c"),
        ("127.0.0.1:8420", "127.0.0.1:8420"),
    ],
)
def test_the_password_in_an_address_is_masked(address: str, shown: str) -> None:
    settings = settle(SECTIONS, [variables(TERTULIA_RELAY_TOPICS=address)])

    assert {str(setting.key): setting.value for setting in settings}["relay.topics"] == [shown]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Relay().batch = 3  # pyright: ignore[reportAttributeAccessIssue]
