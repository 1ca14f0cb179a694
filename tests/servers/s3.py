"""An S3 server: moto's."""

import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

import httpx

from tests.servers.process import Run, Server

REGION: Final = "us-east-1"
# Who signs is not checked; that somebody did is.
SIGNED: Final = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/s3/aws4_request"
}
PROGRAM: Final = Path(sys.executable).with_name("moto_server")
ANSWER_S: Final = 60.0
"""Its first answer takes seventy times as long as the next: seconds, when all is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket and how it is reached."""

    endpoint: str
    name: str
    region: str = REGION
    access_key: str = "test"
    secret_key: str = "test"


class S3(Server):
    """Keeps all in memory: what is killed comes back empty."""

    name = "s3"
    needs = "moto (make test installs it)"

    @classmethod
    def is_installed(cls) -> bool:
        return PROGRAM.exists()

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    @contextmanager
    def bucket(self) -> Generator[Bucket]:
        """A fresh bucket, gone at the end with all that is in it."""
        name = f"test-{uuid.uuid4().hex}"
        self._ask("PUT", name)
        try:
            yield Bucket(endpoint=self.endpoint, name=name)
        finally:
            if self.is_running:
                self._remove(name)

    def _remove(self, bucket: str) -> None:
        while keys := self._keys(bucket):
            for key in keys:
                self._ask("DELETE", f"{bucket}/{quote(key)}")
        self._ask("DELETE", bucket)

    def _keys(self, bucket: str) -> list[str]:
        """Those of the first page."""
        listed = ET.fromstring(self._ask("GET", bucket))  # noqa: S314  moto's
        return [key.text or "" for key in listed.iterfind("{*}Contents/{*}Key")]

    def _ask(self, method: str, path: str) -> str:
        url = f"{self.endpoint}/{path}"
        answer = httpx.request(method, url, headers=SIGNED, timeout=ANSWER_S)
        return answer.raise_for_status().text

    def run(self) -> Run:
        return Run(command=[PROGRAM, "-H", self.place.address, "-p", str(self.port)])

    def is_ready(self) -> bool:
        return self.accepts()
