"""The settings of a process as a whole: the top of `tertulia.toml`, the options of `up`."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import platformdirs
from pydantic import AfterValidator

from tertulia.kit.settings import Settings

LogFormat = Literal["auto", "json", "pretty"]
LogLevel = Literal["debug", "info", "warning", "error"]

ECHO: Final = re.compile(r"echo(/\d{1,6}/\d{1,6})?")
ENDPOINT: Final = re.compile(r"https?://[^\s/]+(/\S*)?")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8420` or `[::1]:8420`; ValueError says what is expected."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004  the largest port
        msg = "should be HOST:PORT, such as 127.0.0.1:8420"
        raise ValueError(msg)
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(address: str) -> str:
    split_address(address)
    return address


def _model(model: str) -> str:
    if model == "embedded" or ECHO.fullmatch(model) or ENDPOINT.fullmatch(model):
        return model
    msg = (
        "should be echo, echo/<tokens>/<ms>, embedded, or the address of an OpenAI-compatible "
        "endpoint, such as http://127.0.0.1:11434/v1"
    )
    raise ValueError(msg)


class ProcessSettings(Settings):
    """What `tertulia up` and `tertulia run` need to know."""

    section: ClassVar[str] = ""

    home: Path = Path(platformdirs.user_data_dir("tertulia", appauthor=False))
    """The directory that holds everything: database, keys, models."""

    address: Annotated[str, AfterValidator(_address)] = "127.0.0.1:8420"
    """Where to listen, HOST:PORT; port 0 takes a free one."""

    model: Annotated[str, AfterValidator(_model)] = "embedded"
    """Who answers: echo, embedded, or the address of an OpenAI-compatible endpoint."""

    open: bool = False
    """Let `/chat/*` and `/v1/*` be called without a token (loopback only)."""

    log_format: LogFormat = "auto"
    """json, pretty, or auto: pretty on a terminal."""

    log_level: LogLevel = "info"
    """The least that is logged."""

    @property
    def host(self) -> str:
        """The host of `address`."""
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        """The port of `address`; 0 means any free one."""
        return split_address(self.address)[1]

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the process."""
        return is_loopback(self.host)
