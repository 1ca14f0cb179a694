"""Links, sessions and tokens. Only the SHA-256 of a secret is ever stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tertulia.domain.access import Principal
from tertulia.domain.ids import UserId
from tertulia.domain.secrets import LINK_LIFETIME, new_secret, new_token, secret_digest
from tertulia.kit.ids import new_id
from tertulia.ports.store import Account, Credential, CredentialKind, Store, Tx
from tertulia.roles.gateway.errors import LinkInvalidError, TokenNotFoundError


@dataclass(frozen=True, slots=True)
class Secret:
    """A new credential and what its holder must show; never to be seen again."""

    credential: Credential
    text: str


async def create_link(store: Store) -> str:
    """The token of a link that signs the owner in, once, within LINK_LIFETIME."""
    token = new_secret()

    def add(tx: Tx) -> None:
        owner = tx.accounts.owner()
        _add(tx, "link", owner.id, "sign-in link", token, LINK_LIFETIME)

    await store.write(add)
    return token


async def sign_in(store: Store, link: str, lifetime: timedelta) -> tuple[Secret, Account]:
    """Trade a link for a session; of any number of callers one gets it."""
    session = new_secret()

    def trade(tx: Tx) -> tuple[Credential, Account]:
        used = tx.credentials.consume("link", secret_digest(link))
        account = tx.accounts.get(used.user_id) if used else None
        if account is None:
            raise LinkInvalidError
        return _add(tx, "session", account.id, "browser", session, lifetime), account

    credential, account = await store.write(trade)
    return Secret(credential, session), account


async def find(store: Store, kind: CredentialKind, secret: str) -> Credential | None:
    """The credential of a secret that was shown, unless it has expired or was revoked."""
    digest = secret_digest(secret)
    return await store.read(lambda tx: tx.credentials.find(kind, digest), brief=True)


async def sign_out(store: Store, principal: Principal) -> None:
    await store.write(lambda tx: tx.credentials.revoke(principal.credential_id))


async def create_token(store: Store, user_id: UserId, name: str) -> Secret:
    token = new_token()
    credential = await store.write(lambda tx: _add(tx, "token", user_id, name, token, None))
    return Secret(credential, token)


async def list_tokens(store: Store, user_id: UserId) -> Sequence[Credential]:
    """Oldest first."""
    return await store.read(lambda tx: _tokens(tx, user_id))


async def revoke_token(store: Store, user_id: UserId, token_id: str) -> None:
    def revoke(tx: Tx) -> None:
        if all(token.id != token_id for token in _tokens(tx, user_id)):
            raise TokenNotFoundError
        tx.credentials.revoke(token_id)

    await store.write(revoke)


def _tokens(tx: Tx, user_id: UserId) -> list[Credential]:
    return [token for token in tx.credentials.list("token") if token.user_id == user_id]


def _add(
    tx: Tx,
    kind: CredentialKind,
    user_id: UserId,
    name: str,
    secret: str,
    lifetime: timedelta | None,
) -> Credential:
    credential = Credential(
        id=new_id(),
        kind=kind,
        user_id=user_id,
        name=name,
        created_at=tx.now,
        expires_at=tx.now + lifetime if lifetime else None,
        last_used_at=None,
    )
    tx.credentials.add(credential, secret_digest(secret))
    return credential
