"""Key vaults: wrap, unwrap, rotate, retire."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tertulia.adapters.keyfile import EnvironmentVault, FileVault, Keyring, MemoryVault
from tertulia.kit.errors import TamperedError
from tertulia.kit.sealing import new_key
from tertulia.ports.key_vault import KeyMissingError, KeyVault

Open = Callable[[Path], KeyVault]

VAULTS: dict[str, Open] = {
    "memory": lambda _: MemoryVault(),
    "file": lambda folder: FileVault.create(folder / "master.key"),
    "environment": lambda _: EnvironmentVault(Keyring.fresh().to_text()),
}
CHANGEABLE = ["memory", "file"]
CONTEXT = b"conversation 1"


@pytest.fixture(params=VAULTS)
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> KeyVault:
    return VAULTS[request.param](tmp_path)


@pytest.fixture(params=CHANGEABLE)
def changeable(request: pytest.FixtureRequest, tmp_path: Path) -> KeyVault:
    return VAULTS[request.param](tmp_path)


def test_what_was_wrapped_unwraps(vault: KeyVault) -> None:
    key = new_key()
    version, wrapped = vault.wrap(key, CONTEXT)
    assert version == vault.version
    assert key not in wrapped
    assert vault.unwrap(version, wrapped, CONTEXT) == key


def test_another_context_is_refused(vault: KeyVault) -> None:
    version, wrapped = vault.wrap(new_key(), CONTEXT)
    with pytest.raises(TamperedError):
        vault.unwrap(version, wrapped, b"conversation 2")


def test_an_altered_key_is_refused(vault: KeyVault) -> None:
    version, wrapped = vault.wrap(new_key(), CONTEXT)
    with pytest.raises(TamperedError):
        vault.unwrap(version, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), CONTEXT)


def test_an_unknown_version_is_missing(vault: KeyVault) -> None:
    version, wrapped = vault.wrap(new_key(), CONTEXT)
    with pytest.raises(KeyMissingError):
        vault.unwrap(version + 1, wrapped, CONTEXT)


def test_derived_keys_depend_on_their_label(vault: KeyVault) -> None:
    assert vault.derive(b"a") == vault.derive(b"a") != vault.derive(b"b")
    assert len(vault.derive(b"a")) == 32


def test_rotation_wraps_anew_and_unwraps_the_old(changeable: KeyVault) -> None:
    key = new_key()
    old, wrapped = changeable.wrap(key, CONTEXT)
    derived = changeable.derive(b"label")
    assert changeable.rotate() == changeable.version == old + 1
    assert changeable.wrap(key, CONTEXT)[0] == old + 1
    assert changeable.unwrap(old, wrapped, CONTEXT) == key
    assert changeable.derive(b"label") == derived


def test_a_wrapped_key_does_not_pass_for_another_version(changeable: KeyVault) -> None:
    old, wrapped = changeable.wrap(new_key(), CONTEXT)
    changeable.rotate()
    with pytest.raises(TamperedError):
        changeable.unwrap(old + 1, wrapped, CONTEXT)


def test_retired_versions_are_gone(changeable: KeyVault) -> None:
    old, wrapped = changeable.wrap(new_key(), CONTEXT)
    changeable.rotate()
    changeable.retire(before=changeable.version)
    with pytest.raises(KeyMissingError):
        changeable.unwrap(old, wrapped, CONTEXT)


def test_the_newest_version_is_never_retired(changeable: KeyVault) -> None:
    version, wrapped = changeable.wrap(new_key(), CONTEXT)
    changeable.retire(before=version + 5)
    changeable.unwrap(version, wrapped, CONTEXT)
