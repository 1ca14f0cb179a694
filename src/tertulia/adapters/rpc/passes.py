"""Passes sealed under a key that the key vault's master key wraps.

A pass is `key . sealed`, both in base64url. `key` is the issuing process's own random key, wrapped
by the master key (with its version in front); `sealed` is what the pass says, sealed under that
key and bound to a method and a target. So a version that was retired vouches for nothing, and no
process can make a pass without a master key.
"""

import asyncio
import base64
import binascii
from datetime import timedelta
from typing import Final, Literal

import msgspec

from tertulia.domain.access import Principal
from tertulia.domain.ids import UserId
from tertulia.kit.clock import Clock, from_us, to_us
from tertulia.kit.errors import TamperedError
from tertulia.kit.lru import Lru
from tertulia.kit.sealing import Sealer, new_key, place
from tertulia.ports.key_vault import KeyMissingError, KeyVault
from tertulia.ports.peers import Pass

HEADER: Final = "x-tertulia-pass"
CONTEXT: Final = place("internal")

LIFETIME: Final = timedelta(seconds=30)
SKEW: Final = timedelta(seconds=30)  # between the clocks of two machines
RENEW_S: Final = 60.0  # a rotation, and a version that was retired, are noticed within this
KEYS: Final = 1024  # processes whose keys are remembered


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What a pass says, before it is sealed."""

    issued_us: int
    issuer: str
    within_s: float
    user_id: str | None
    via: Literal["session", "token", "open"] | None
    credential_id: str | None


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Said).decode


class _Own:
    """The key by which this process issues, for a while."""

    def __init__(self, key: bytes, wrapped: bytes, until: float) -> None:
        self.sealer = Sealer(key)
        self.shown = _text(wrapped)
        self.until = until


class SealedPasses:
    """See the port."""

    def __init__(self, vault: KeyVault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._own: _Own | None = None
        self._known: Lru[str, tuple[Sealer | None, float]] = Lru(KEYS)

    async def issue(self, shown: Pass, method: str, target: str) -> str:
        if self._own is None or self._clock.monotonic() >= self._own.until:
            self._own = await asyncio.to_thread(self._new_key)
        who = shown.principal
        said = Said(
            to_us(self._clock.now()),
            shown.issuer,
            shown.within_s,
            who.user_id if who else None,
            who.via if who else None,
            who.credential_id if who else None,
        )
        sealed = self._own.sealer.seal(encode(said), place(method, target))
        return f"{self._own.shown}.{_text(sealed)}"

    async def check(self, text: str, method: str, target: str) -> Pass | None:
        key, _, sealed = text.partition(".")
        sealer = await self._sealer(key)
        if sealer is None:
            return None
        try:
            said = decode(sealer.open(_bytes(sealed), place(method, target)))
        except (TamperedError, binascii.Error, msgspec.DecodeError, ValueError):
            return None
        age = self._clock.now() - from_us(said.issued_us)
        if not -SKEW <= age <= LIFETIME + SKEW:
            return None
        return Pass(issuer=said.issuer, principal=_principal(said), within_s=said.within_s)

    async def _sealer(self, key: str) -> Sealer | None:
        """None when no master key that is kept wrapped this one."""
        found = self._known.get(key)
        if found is None or self._clock.monotonic() >= found[1]:
            sealer = await asyncio.to_thread(self._unwrapped, key)
            found = (sealer, self._clock.monotonic() + RENEW_S)
            if sealer is not None:  # what anybody may send must not push out what holds
                self._known.put(key, found)
            else:
                self._known.drop(key)
        return found[0]

    def _new_key(self) -> _Own:
        key = new_key()
        version, wrapped = self._vault.wrap(key, CONTEXT)
        shown = version.to_bytes(4, "big") + wrapped
        return _Own(key, shown, self._clock.monotonic() + RENEW_S)

    def _unwrapped(self, key: str) -> Sealer | None:
        try:
            shown = _bytes(key)
            version = int.from_bytes(shown[:4], "big")
            return Sealer(self._vault.unwrap(version, shown[4:], CONTEXT))
        except (TamperedError, KeyMissingError, binascii.Error, ValueError):
            return None


def _principal(said: Said) -> Principal | None:
    if said.user_id is None or said.via is None or said.credential_id is None:
        return None
    return Principal(user_id=UserId(said.user_id), via=said.via, credential_id=said.credential_id)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode(), altchars=b"-_", validate=True)
