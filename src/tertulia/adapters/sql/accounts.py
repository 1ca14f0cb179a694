"""Accounts and credentials."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, insert, or_, select, update

from tertulia.adapters.sql.schema import accounts, credentials
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import Row, given, integer, statement
from tertulia.domain.ids import UserId
from tertulia.kit.clock import from_us, to_us
from tertulia.kit.ids import new_id
from tertulia.ports.standing import REVOKED
from tertulia.ports.store import Account, Credential, CredentialKind

OWNER_NAME: Final = "owner"

_OWNER = statement(select(accounts).order_by(accounts.c.created_us, accounts.c.id).limit(1))
_GET = statement(select(accounts).where(accounts.c.id == given("user")))
_ADD = statement(insert(accounts))

_SECRETLESS = [column for column in credentials.c if column.name != "digest"]
_KIND = credentials.c.kind == given("of_kind")
_DIGEST = credentials.c.digest == given("known_by")
_ADD_CREDENTIAL = statement(insert(credentials))
_FIND = statement(select(*_SECRETLESS).where(_KIND, _DIGEST))
_HOLDS = statement(
    select(integer(1)).where(
        credentials.c.id == given("credential"),
        or_(credentials.c.expires_us.is_(None), credentials.c.expires_us > given("now")),
    )
)
_CONSUME = statement(delete(credentials).where(_KIND, _DIGEST).returning(*_SECRETLESS))
_LIST = statement(
    select(*_SECRETLESS).where(_KIND).order_by(credentials.c.created_us, credentials.c.id)
)
_TOUCH = statement(
    update(credentials)
    .where(credentials.c.id == given("credential"))
    .values(last_used_us=given("used_us"))
)
_REVOKE = statement(delete(credentials).where(credentials.c.id == given("credential")))


class SqlAccounts:
    """Accounts (ports.store)."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def owner(self) -> Account:
        row = self._scope.db.one(_OWNER, {})
        if row is None:
            self._scope.db.alone("owner")
            row = self._scope.db.one(_OWNER, {})
        if row is None:
            row = (new_id(), OWNER_NAME, self._scope.now_us)
            self._scope.db.put(_ADD, {"id": row[0], "name": row[1], "created_us": row[2]})
        return _account(row)

    def get(self, user_id: UserId) -> Account | None:
        row = self._scope.db.one(_GET, {"user": user_id})
        return None if row is None else _account(row)


class SqlCredentials:
    """Credentials (ports.store)."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def add(self, credential: Credential, digest: bytes) -> None:
        expires, used = credential.expires_at, credential.last_used_at
        self._scope.db.put(
            _ADD_CREDENTIAL,
            {
                "id": credential.id,
                "kind": credential.kind,
                "user_id": credential.user_id,
                "name": credential.name,
                "digest": digest,
                "created_us": to_us(credential.created_at),
                "expires_us": None if expires is None else to_us(expires),
                "last_used_us": None if used is None else to_us(used),
            },
        )

    def find(self, kind: CredentialKind, digest: bytes) -> Credential | None:
        return self._live(self._scope.db.one(_FIND, {"of_kind": kind, "known_by": digest}))

    def holds(self, credential_id: str) -> bool:
        params = {"credential": credential_id, "now": self._scope.now_us}
        return self._scope.db.one(_HOLDS, params) is not None

    def consume(self, kind: CredentialKind, digest: bytes) -> Credential | None:
        return self._live(self._scope.db.one(_CONSUME, {"of_kind": kind, "known_by": digest}))

    def touch(self, credential_id: str) -> None:
        self._scope.db.put(_TOUCH, {"credential": credential_id, "used_us": self._scope.now_us})

    def list(self, kind: CredentialKind) -> Sequence[Credential]:
        return [_credential(row) for row in self._scope.db.all(_LIST, {"of_kind": kind})]

    def revoke(self, credential_id: str) -> bool:
        revoked = self._scope.db.run(_REVOKE, {"credential": credential_id}) > 0
        if revoked:
            self._scope.channels.add(REVOKED)
        return revoked

    def _live(self, row: Row | None) -> Credential | None:
        if row is None:
            return None
        credential = _credential(row)
        expires = credential.expires_at
        return None if expires and to_us(expires) <= self._scope.now_us else credential


def _account(row: Row) -> Account:
    return Account(id=UserId(row[0]), name=row[1], created_at=from_us(row[2]))


def _credential(row: Row) -> Credential:
    identity, kind, user_id, name, created_us, expires_us, used_us = row
    return Credential(
        id=identity,
        kind=kind,
        user_id=user_id,
        name=name,
        created_at=from_us(created_us),
        expires_at=None if expires_us is None else from_us(expires_us),
        last_used_at=None if used_us is None else from_us(used_us),
    )
