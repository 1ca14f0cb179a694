"""Files for TLS are looked into when the settings are read."""

from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from pydantic import ValidationError

from tertulia.adapters.cassandra.settings import MessagesSettings
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.kit.settings import Settings
from tests.servers.identity import self_signed

FILES: Final = [
    (MessagesSettings, "tls_ca", "certificates"),
    (KafkaSettings, "authorities", "certificates"),
    (KafkaSettings, "certificate", "a certificate and its key"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given.pem"


@pytest.mark.parametrize(("settings", "name", "what"), FILES)
def test_a_file_that_cannot_be_used_is_told(
    settings: type[Settings], name: str, what: str, file: Path
) -> None:
    wanted = rf"should name a file with {what} \(PEM\)"
    with pytest.raises(ValidationError, match=rf"{wanted}; it cannot be read"):
        settings.model_validate({name: file})
    file.write_text("nothing of the kind")
    with pytest.raises(ValidationError, match=rf"{wanted}; what is there is none"):
        settings.model_validate({name: file})


@pytest.mark.parametrize(("settings", "name", "what"), FILES)
def test_a_file_that_can_be_used_is_taken(
    settings: type[Settings], name: str, what: str, file: Path
) -> None:
    own = self_signed("127.0.0.1")
    file.write_bytes(own.certificate_pem + (own.key_pem if "key" in what else b""))
    assert getattr(settings.model_validate({name: file}), name) == file


def test_a_key_with_a_passphrase_is_not_asked_for(file: Path) -> None:
    own = self_signed("127.0.0.1")
    locked = own.private_key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    file.write_bytes(own.certificate_pem + locked)
    with pytest.raises(ValidationError, match="what is there is none"):
        KafkaSettings.model_validate({"certificate": file})
