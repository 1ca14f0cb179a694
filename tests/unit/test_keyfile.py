"""The key file: for its owner alone, replaced whole, seen by other processes; and its envelope."""

import base64
import stat
import threading
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from tertulia.adapters.keyfile import EnvironmentVault, FileVault, Keyring, disclose, enclose
from tertulia.adapters.keyfile.envelope import PassphraseError
from tertulia.adapters.keyfile.keyring import KeyringError
from tertulia.adapters.keyfile.opener import open_key_vault
from tertulia.adapters.keyfile.settings import MasterKeySettings
from tertulia.adapters.keyfile.vault import FixedKeysError, KeyFileExposedError, KeyFileMissingError
from tertulia.assembly.openers import OPENERS
from tertulia.assembly.settings import load_settings
from tertulia.assembly.wiring import Wiring
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.sealing import new_key
from tertulia.ports.key_vault import KeyVault


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    vault = FileVault.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    vault.rotate()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files(path.parent) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    FileVault.create(path)
    path.chmod(mode)
    with pytest.raises(KeyFileExposedError, match="chmod 600"):
        FileVault(path)


def test_a_missing_file_is_not_made_by_opening(path: Path) -> None:
    with pytest.raises(KeyFileMissingError, match=str(path)):
        FileVault(path)
    assert not path.exists()


def test_a_file_that_goes_missing_is_missed(path: Path) -> None:
    vault = FileVault.create(path)
    path.unlink()
    with pytest.raises(KeyFileMissingError):
        vault.wrap(new_key(), b"")


def test_creating_twice_keeps_the_first_key(path: Path) -> None:
    first = FileVault.create(path)
    assert FileVault.create(path).keyring == first.keyring


def test_of_many_who_create_at_once_all_get_the_same_key(path: Path) -> None:
    vaults: list[FileVault] = []
    start = threading.Barrier(8)

    def create() -> None:
        start.wait()
        vaults.append(FileVault.create(path))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {vault.derive(b"x") for vault in vaults} == {FileVault(path).derive(b"x")}


def test_another_processs_rotation_is_seen(path: Path) -> None:
    here, there = FileVault.create(path), FileVault(path)
    key = new_key()
    there.rotate()
    version, wrapped = there.wrap(key, b"")
    assert here.unwrap(version, wrapped, b"") == key
    assert here.version == version


def test_rotations_at_once_lose_no_version(path: Path) -> None:
    FileVault.create(path)
    threads = [threading.Thread(target=FileVault(path).rotate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(FileVault(path).keyring.keys) == list(range(1, 10))


@pytest.mark.parametrize(
    "text",
    ["", "x", "{}", "[]", '{"format": "tertulia-keys-9", "root": "", "keys": {}}', "é", "{" * 9],
)
def test_a_damaged_file_is_refused_in_one_sentence(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(KeyringError):
        FileVault(path)


def test_an_unreadable_path_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(KeyringError, match="cannot be read"):
        FileVault(tmp_path / "folder")


def test_a_key_from_the_environment_may_be_bare() -> None:
    key = bytes(range(32))
    vaults = [
        EnvironmentVault(base64.b64encode(key).decode()),
        EnvironmentVault(base64.urlsafe_b64encode(key).decode().rstrip("=") + "\n"),
        EnvironmentVault(key.hex()),
    ]
    assert len({vault.derive(b"x") for vault in vaults}) == 1


@pytest.mark.parametrize("text", ["x", base64.b64encode(bytes(16)).decode(), "zz" * 32])
def test_a_wrong_key_from_the_environment_is_refused(text: str) -> None:
    with pytest.raises(KeyringError):
        EnvironmentVault(text)


def test_a_key_from_the_environment_cannot_be_changed_here() -> None:
    vault = EnvironmentVault(bytes(32).hex())
    with pytest.raises(FixedKeysError):
        vault.rotate()
    keyring = Keyring.fresh().rotated()
    with pytest.raises(FixedKeysError):
        EnvironmentVault(keyring.to_text()).retire(before=2)


def test_keys_do_not_show(path: Path) -> None:
    vault = FileVault.create(path)
    shown = f"{vault!r} {vault.keyring!r} {vault.keyring}"
    for key in (vault.keyring.root, *vault.keyring.keys.values()):
        assert repr(key) not in shown


def test_an_envelope_opens_by_its_passphrase_alone() -> None:
    keyring = Keyring.fresh().rotated()
    envelope = enclose(keyring, "correct horse")
    assert disclose(envelope, "correct horse") == keyring
    with pytest.raises(PassphraseError):
        disclose(envelope, "wrong horse")
    with pytest.raises(PassphraseError):
        disclose(envelope[:-1], "correct horse")
    assert not any(key in envelope for key in (keyring.root, *keyring.keys.values()))


def test_an_older_copy_of_the_keyring_is_taken_in(path: Path) -> None:
    vault = FileVault.create(path)
    copy = vault.keyring
    vault.rotate()
    vault.retire(before=2)
    vault.adopt(copy)
    assert sorted(vault.keyring.keys) == [1, 2]
    with pytest.raises(KeyringError):
        vault.adopt(Keyring.fresh())


def wiring(stack: AsyncExitStack, home: Path, store_url: str = "") -> Wiring:
    return Wiring(stack, OPENERS, load_settings({"home": home, "store.url": store_url}), {})


async def test_a_new_home_gets_a_key_file(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        assert await wiring(stack, tmp_path).port(KeyVault)
    assert (tmp_path / "master.key").exists()


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_no_key_is_made_for_a_database_that_holds_something(
    tmp_path: Path, *, elsewhere: bool
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    database = tmp_path / "chat.db" if elsewhere else home / "tertulia.db"
    database.write_bytes(b"something")
    async with AsyncExitStack() as stack:
        with pytest.raises(KeyFileMissingError):
            await wiring(stack, home, f"sqlite:///{database}" if elsewhere else "").port(KeyVault)
    assert not (home / "master.key").exists()


async def test_a_database_that_is_not_used_keeps_no_key_from_being_made(tmp_path: Path) -> None:
    (tmp_path / "tertulia.db").write_bytes(b"of former days")
    async with AsyncExitStack() as stack:
        assert await wiring(stack, tmp_path, f"sqlite:///{tmp_path}/chat.db").port(KeyVault)
    assert (tmp_path / "master.key").exists()


async def test_a_key_in_the_settings_needs_no_file(tmp_path: Path) -> None:
    settings = MasterKeySettings(key=SecretStr(bytes(32).hex()))
    process = ProcessSettings(home=tmp_path)
    async with open_key_vault(process, settings, written=lambda: False) as vault:
        assert isinstance(vault, EnvironmentVault)
    assert files(tmp_path) == []
