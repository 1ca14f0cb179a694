"""`blobs.url` chooses where blobs are; wherever that is, they are sealed."""

from pathlib import Path

import pytest

from tertulia.assembly.process import wired
from tertulia.assembly.roles import settings_classes
from tertulia.kit.settings import Given, Key, SettingsError, SettingsInForce, settle
from tertulia.ports.blobs import BlobStore
from tests.ports.blob_places import pieces, whole

SECRET = b"nobody at the place may read this"


def settings(home: Path, url: str) -> SettingsInForce:
    given = {Key("", "home"): Given(str(home), "a test"), Key("blobs", "url"): Given(url, "a test")}
    return settle(settings_classes(), [given])


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_blobs_are_in_the_home_unless_an_address_says_otherwise(
    tmp_path: Path, *, elsewhere: bool
) -> None:
    folder = tmp_path / ("else where" if elsewhere else "home/blobs")
    async with wired(settings(tmp_path / "home", folder.as_uri() if elsewhere else "")) as wiring:
        blobs = await wiring.port(BlobStore)
        await blobs.put("a/blob", pieces(SECRET))
        assert await whole(blobs, "a/blob") == SECRET
        assert SECRET not in (folder / "a" / "blob").read_bytes()


@pytest.mark.parametrize("url", ["ftp://host/x", "file://relative/x", "/a/path", "s3://"])
def test_an_address_of_no_known_kind_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"blobs\.url"):
        settings(tmp_path, url)
