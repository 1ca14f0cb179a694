"""`tertulia token`: API tokens for programs, also while a server runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from tertulia.cli.options import HomeOption, JsonOption, echo_json, echo_table
from tertulia.cli.work import on_store
from tertulia.domain.secrets import new_token, secret_digest
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.ids import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tertulia.ports.store import Credential, Tx

tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


class TokenNotFoundError(TertuliaError):
    """There is no such token."""

    code = "token_not_found"
    kind = Kind.NOT_FOUND


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(tokens, name="token", help="API tokens for programs.")


@tokens.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "command line",
    home: HomeOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Make a token and print it, alone; it is shown this once."""
    from tertulia.ports.store import Credential

    token = new_token()

    def add(tx: "Tx") -> Credential:
        credential = Credential(
            id=new_id(),
            kind="token",
            user_id=tx.accounts.owner().id,
            name=name,
            created_at=tx.now,
            expires_at=None,
            last_used_at=None,
        )
        tx.credentials.add(credential, secret_digest(token))
        return credential

    made = on_store(home, lambda store: store.write(add))
    if json:
        echo_json({"id": made.id, "name": made.name, "token": token})
    else:
        typer.echo(token)


@tokens.command(name="list")
def list_(home: HomeOption = None, *, json: JsonOption = False) -> None:
    """List the tokens, without their secrets."""

    def found(tx: "Tx") -> Sequence["Credential"]:
        return tx.credentials.list("token")

    held = on_store(home, lambda store: store.read(found))
    if json:
        echo_json(
            [
                {
                    "id": token.id,
                    "name": token.name,
                    "created_at": _iso(token.created_at),
                    "last_used_at": _iso(token.last_used_at),
                }
                for token in held
            ]
        )
        return
    rows = [("ID", "NAME", "CREATED", "LAST USED")]
    rows += [(t.id, t.name, _day(t.created_at), _day(t.last_used_at)) for t in held]
    echo_table(rows)


@tokens.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")],
    home: HomeOption = None,
) -> None:
    """End a token at once."""

    def end(tx: "Tx") -> bool:
        known = any(token.id == token_id for token in tx.credentials.list("token"))
        return known and tx.credentials.revoke(token_id)

    if not on_store(home, lambda store: store.write(end)):
        msg = f"There is no token {token_id}; `tertulia token list` shows those that there are."
        raise TokenNotFoundError(msg)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "never"
