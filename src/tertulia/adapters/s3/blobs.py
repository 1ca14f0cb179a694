"""Blobs in a bucket of S3, or of what speaks as S3 does (BlobStore)."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from tertulia.adapters.s3.address import Address
from tertulia.adapters.s3.settings import S3Settings
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.blobs import (
    Blob,
    BlobMissingError,
    BlobsRefusedError,
    BlobsUnavailableError,
    Link,
    Metered,
    Receipt,
    check_name,
)

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import ClientConfig, S3Config, S3Store

LONGEST_LINK: Final = timedelta(days=7)  # AWS Signature Version 4
LEAVING_S: Final = 0.05
PIECE_BYTES: Final = 1024 * 1024
STATUS: Final = re.compile(r"status code: (\d{3})")
PAST_END: Final = "416"


class S3DriverMissingError(TertuliaError):
    """S3 needs its driver; install tertulia[s3]."""

    code = "s3_driver_missing"
    kind = Kind.INVALID


class _PastEndError(BlobsUnavailableError):
    """The range that was asked for begins past the end."""


@asynccontextmanager
async def open_s3(url: str, settings: S3Settings) -> "AsyncGenerator[S3Blobs]":
    """Nothing is asked of S3 yet. S3AddressError, S3DriverMissingError."""
    address = Address.parse(url)
    try:
        store = _store(address, settings)
    except ModuleNotFoundError as error:
        raise S3DriverMissingError from error
    try:
        yield S3Blobs(store, settings)
    finally:
        # The driver's threads tell the event loop of their last call; an interpreter that ends
        # meanwhile is aborted by them.
        await asyncio.sleep(LEAVING_S)


class S3Blobs:
    """A part of a blob that went up before an upload broke off is dropped again; when the process
    dies, it stays, seen by nobody, until a rule of the bucket removes it."""

    def __init__(self, store: "S3Store", settings: S3Settings) -> None:
        self._store = store
        self._settings = settings

    async def put(
        self, name: str, content: AsyncIterable[bytes], *, sha256: bytes | None = None
    ) -> Receipt:
        check_name(name)
        metered = Metered(content, sha256)
        pieces = aiter(metered)
        first = bytearray()
        async for piece in pieces:
            first += piece
            if len(first) > self._settings.part_bytes:
                await self._put_parts(name, _Feed(bytes(first), pieces))
                break
        else:
            await self._put_whole(name, bytes(first))
        return metered.receipt

    async def get(
        self, name: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        import obstore

        check_name(name)
        if end is not None and end <= start:
            return
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        with suppress(_PastEndError), _translated():
            found = await obstore.get_async(self._store, name, options=options)
            async for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

    async def head(self, name: str) -> Blob:
        import obstore

        check_name(name)
        with _translated():
            return _blob(await obstore.head_async(self._store, name))

    async def list(self, folder: str = "", *, after: str = "", limit: int = 100) -> Sequence[Blob]:
        import obstore

        if folder:
            check_name(folder)
        with _translated():
            listed = obstore.list(  # pyright: ignore[reportUnknownMemberType]  Arrow's is not there
                self._store, folder or None, offset=after or None, chunk_size=limit
            )
            async for chunk in listed:
                return [_blob(each) for each in chunk]
        return []

    async def delete(self, name: str) -> None:
        import obstore

        check_name(name)
        with _translated(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    async def link(
        self, name: str, method: Literal["GET", "PUT"], *, expires_in: timedelta
    ) -> Link:
        import obstore

        check_name(name)
        expires_in = min(expires_in, LONGEST_LINK)
        with _translated():
            url = await obstore.sign_async(self._store, method, name, expires_in)
        return Link(url=url, expires_in=expires_in)

    async def _put_whole(self, name: str, content: bytes) -> None:
        import obstore

        with _placed():
            await obstore.put_async(self._store, name, content, use_multipart=False)

    async def _put_parts(self, name: str, feed: "_Feed") -> None:
        """A call to the driver that is cancelled leaves its parts behind; one whose content fails
        drops them. So a cancellation stops the content."""
        import obstore

        with _placed():
            upload = asyncio.ensure_future(
                obstore.put_async(
                    self._store,
                    name,
                    feed,
                    chunk_size=self._settings.part_bytes,
                    max_concurrency=self._settings.parts_at_once,
                )
            )
            try:
                await asyncio.wait({upload})
            finally:
                feed.stop()
                await asyncio.wait({upload})
                failure = upload.exception()
            if failure is not None and feed.failure is None:
                raise failure
        if feed.failure is not None:
            raise feed.failure  # as it was: what the content says is not taken for S3's


class _Feed:
    """The content of an upload, which can be made to fail."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first = first
        self._rest = rest
        self._next: asyncio.Future[bytes | None] | None = None
        self._stopped = False
        self.failure: BaseException | None = None

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        piece: bytes | None = self._first
        while piece is not None:
            if self._stopped:
                raise BlobsUnavailableError
            yield piece
            self._next = asyncio.ensure_future(anext(self._rest, None))
            await asyncio.wait({self._next})
            if not self._next.cancelled():
                self.failure = self._next.exception()
            piece = self._next.result()

    def stop(self) -> None:
        self._stopped = True
        if self._next is not None:
            self._next.cancel()


def _store(address: Address, settings: S3Settings) -> "S3Store":
    from obstore.store import S3Store

    config: S3Config = {
        "region": address.region or settings.region or "us-east-1",
        "checksum_algorithm": "SHA256",  # S3 refuses what was damaged on its way there
    }
    if address.endpoint:
        config["endpoint"] = address.endpoint
    if settings.access_key_id:
        config["access_key_id"] = settings.access_key_id
        config["secret_access_key"] = settings.secret_access_key.get_secret_value()
    if settings.session_token.get_secret_value():
        config["session_token"] = settings.session_token.get_secret_value()
    client: ClientConfig = {
        "allow_http": address.endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=min(5.0, settings.timeout_s)),
        "read_timeout": timedelta(seconds=settings.timeout_s),
        "timeout": timedelta(days=1),  # for a whole answer, however large and slowly read
    }
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        config=config,
        client_options=client,
        retry_config={"retry_timeout": timedelta(seconds=settings.retry_s)},
    )


def _blob(found: "ObjectMeta") -> Blob:
    return Blob(name=found["path"], size=found["size"], modified_at=found["last_modified"])


@contextmanager
def _placed() -> Generator[None]:
    """For a put: what is not found is the bucket."""
    try:
        with _translated():
            yield
    except BlobMissingError:
        msg = "There is no such bucket."
        raise BlobsUnavailableError(msg) from None


@contextmanager
def _translated() -> Generator[None]:
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except FileNotFoundError as error:
        raise BlobMissingError from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise BlobsRefusedError from error
    except BaseError as error:
        status = STATUS.search(str(error))
        if status and status[1] == PAST_END:
            raise _PastEndError from error
        how = f"answers {status[1]}" if status else "does not answer"
        msg = f"S3 {how}."
        raise BlobsUnavailableError(msg) from error
