"""Where blobs are: `blobs.url`, or another address of the same kinds. All of it sealed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tertulia.adapters.s3.settings import S3Settings
from tertulia.adapters.sealed_blobs.settings import BlobsSettings
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.blobs import BlobStore
from tertulia.ports.key_vault import KeyVault


@asynccontextmanager
async def blob_store(
    process: ProcessSettings, settings: BlobsSettings, s3: S3Settings, vault: KeyVault
) -> AsyncGenerator[BlobStore]:
    from tertulia.adapters.sealed_blobs.blobs import SealedBlobs

    async with blob_place(settings.place(process.home), s3) as place:
        yield SealedBlobs(place, vault)


@asynccontextmanager
async def blob_place(url: str, s3: S3Settings) -> AsyncGenerator[BlobStore]:
    """The place itself: what is put there must be sealed already."""
    if url.startswith("s3:"):
        from tertulia.adapters.s3.blobs import open_s3

        async with open_s3(url, s3) as opened:
            yield opened
        return
    from tertulia.adapters.folder.blobs import FolderBlobs

    yield FolderBlobs(Path(unquote(urlsplit(url).path)))
