"""What S3 brings along: parts, links, servers that go away, credentials, a driver with threads."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest

from tertulia.adapters.s3.address import Address, S3AddressError
from tertulia.adapters.s3.blobs import open_s3
from tertulia.adapters.s3.settings import S3Settings
from tertulia.ports.blobs import BlobsRefusedError, BlobStore, BlobsUnavailableError
from tests.e2e.server import environment
from tests.ports.blob_places import PART, address, pieces, signing_in, whole
from tests.servers.fixtures import Private
from tests.servers.s3 import S3, SIGNED, Bucket

pytestmark = pytest.mark.server


@pytest.fixture
def bucket(s3: S3) -> Generator[Bucket]:
    with s3.bucket() as made:
        yield made


@pytest.fixture
async def place(bucket: Bucket) -> AsyncGenerator[BlobStore]:
    async with open_s3(address(bucket, "p"), signing_in(bucket)) as opened:
        yield opened


def parts_left(bucket: Bucket) -> int:
    """Uploads that were begun and neither finished nor dropped."""
    listed = httpx.get(f"{bucket.endpoint}/{bucket.name}?uploads", headers=SIGNED)
    return listed.raise_for_status().text.count("<UploadId>")


async def test_what_is_large_goes_up_in_parts_and_what_is_small_does_not(
    place: BlobStore, bucket: Bucket
) -> None:
    for name, size in (("large", 2 * PART), ("small", PART)):
        await place.put(name, pieces(os.urandom(size)))
    tags = {name: tag(bucket, f"p/{name}") for name in ("large", "small")}
    assert tags["large"].endswith('-2"')  # S3 marks by it of how many parts an object is made
    assert "-" not in tags["small"]


async def test_an_upload_whose_content_fails_leaves_no_parts(
    place: BlobStore, bucket: Bucket
) -> None:
    async def failing() -> AsyncIterator[bytes]:
        async for piece in pieces(os.urandom(3 * PART)):
            yield piece
        assert parts_left(bucket) == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await place.put("blob", failing())
    assert parts_left(bucket) == 0


async def test_an_upload_that_is_cancelled_leaves_no_parts(
    place: BlobStore, bucket: Bucket
) -> None:
    waits = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        async for piece in pieces(os.urandom(3 * PART)):
            yield piece
        waits.set()
        await asyncio.Event().wait()

    putting = asyncio.ensure_future(place.put("blob", hanging()))
    await waits.wait()
    assert parts_left(bucket) == 1
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert parts_left(bucket) == 0


async def test_a_server_killed_in_mid_upload_keeps_nothing_and_is_told(private: Private) -> None:
    server = private(S3)
    with server.bucket() as bucket:
        async with open_s3(address(bucket, "p"), signing_in(bucket)) as place:

            async def cut() -> AsyncIterator[bytes]:
                async for piece in pieces(os.urandom(2 * PART)):
                    yield piece
                server.kill()
                async for piece in pieces(os.urandom(2 * PART)):
                    yield piece

            with pytest.raises(BlobsUnavailableError):
                await place.put("blob", cut())
            with pytest.raises(BlobsUnavailableError):
                await place.list()
            server.start()
            await asyncio.to_thread(make, bucket)
            assert await place.list() == []
            await place.put("blob", pieces(b"again"))
            assert await whole(place, "blob") == b"again"


async def test_a_bucket_that_is_not_there_is_no_missing_blob(bucket: Bucket) -> None:
    url = f"s3://no-such-bucket?endpoint={bucket.endpoint}"
    async with open_s3(url, signing_in(bucket)) as place:
        for size in (1, 2 * PART):
            with pytest.raises(BlobsUnavailableError):
                await place.put("blob", pieces(b"x" * size))
        with pytest.raises(BlobsUnavailableError):
            await place.list()


async def test_credentials_that_are_refused_are_told_as_such() -> None:
    with refusing() as endpoint:
        settings = S3Settings.model_validate({"access_key_id": "a", "secret_access_key": "b"})
        async with open_s3(f"s3://some-bucket/p?endpoint={endpoint}", settings) as place:
            with pytest.raises(BlobsRefusedError):
                await whole(place, "blob")
            with pytest.raises(BlobsRefusedError):
                await place.put("blob", pieces(b"x"))


@contextmanager
def refusing() -> Generator[str]:
    """A server that lets in nobody."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_error(403)

        do_PUT = do_GET  # noqa: N815  its name there

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


LEAVING = """
import asyncio, sys
from tertulia.adapters.s3.blobs import open_s3
from tertulia.adapters.s3.settings import S3Settings
from tests.ports.blob_places import pieces

async def main(url):
    settings = S3Settings(access_key_id="test", secret_access_key="test")
    async with open_s3(url, settings) as place:
        await asyncio.gather(*(place.put(f"blob{n}", pieces(b"x")) for n in range(8)))

asyncio.run(main(sys.argv[1]))
"""


def test_a_process_that_leaves_right_after_a_call_leaves_in_peace(bucket: Bucket) -> None:
    for _ in range(10):
        done = run(LEAVING, address(bucket, "p"))
        assert (done.returncode, done.stderr) == (0, "")


MOVING = """
import asyncio, resource, sys
from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.s3.blobs import open_s3
from tertulia.adapters.s3.settings import S3Settings
from tertulia.adapters.sealed_blobs.blobs import SealedBlobs

MIB = 1024 * 1024

async def content(mib):
    for _ in range(mib):
        yield bytes(MIB)

async def move(place, mib):
    await place.put("blob", content(mib))
    assert sum([len(piece) async for piece in place.get("blob")]) == mib * MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main(url):
    settings = S3Settings(
        access_key_id="test", secret_access_key="test", part_bytes=5 * MIB, parts_at_once=2
    )
    async with open_s3(url, settings) as place:
        blobs = SealedBlobs(place, MemoryVault())
        print(await move(blobs, 20), await move(blobs, 120))

asyncio.run(main(sys.argv[1]))
"""


def test_a_large_blob_takes_no_more_memory_than_a_small_one(bucket: Bucket) -> None:
    done = run(MOVING, address(bucket, "p"))
    assert done.returncode == 0, done.stderr
    small, large = (int(figure) for figure in done.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024
    assert (large - small) * unit < 40_000_000


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://b/p",
        "s3://user:password@bucket/p",
        "s3://bucket/p?endpoint=http://user:password@host",
        "s3://bucket/p?endpoint=host:9000",
        "s3://bucket/p?secret=x",
        "s3://bucket/p#x",
        "https://bucket/p",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(S3AddressError):
        Address.parse(url)


def test_an_address_says_bucket_prefix_and_server() -> None:
    parsed = Address.parse("s3://bucket/a/b/?endpoint=https://s3.example:9000&region=eu-1")
    assert parsed == Address(
        bucket="bucket", prefix="a/b", endpoint="https://s3.example:9000", region="eu-1"
    )


def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def make(bucket: Bucket) -> None:
    """Make it anew: the server has forgotten it."""
    httpx.put(f"{bucket.endpoint}/{bucket.name}", headers=SIGNED).raise_for_status()


def tag(bucket: Bucket, key: str) -> str:
    found = httpx.head(f"{bucket.endpoint}/{bucket.name}/{key}", headers=SIGNED)
    return found.raise_for_status().headers["ETag"]
