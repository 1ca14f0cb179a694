"""`tertulia token`: API tokens for programs, also while a server runs."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tertulia.cli.options import HomeOption, JsonOption, echo_json, echo_table
from tertulia.cli.work import on_store

if TYPE_CHECKING:
    from tertulia.domain.ids import UserId
    from tertulia.ports.store import Store

tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


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
    from tertulia.roles.gateway.service import Secret, create_token

    async def make(store: "Store") -> Secret:
        return await create_token(store, await _owner(store), name)

    made = on_store(home, make)
    if json:
        echo_json({"id": made.credential.id, "name": name, "token": made.text})
    else:
        typer.echo(made.text)


@tokens.command(name="list")
def list_(home: HomeOption = None, *, json: JsonOption = False) -> None:
    """List the tokens, without their secrets."""
    from tertulia.ports.store import Credential
    from tertulia.roles.gateway.service import list_tokens

    async def find(store: "Store") -> list[Credential]:
        return list(await list_tokens(store, await _owner(store)))

    held = on_store(home, find)
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
    rows += [(t.id, t.name, _minute(t.created_at), _minute(t.last_used_at)) for t in held]
    echo_table(rows)


@tokens.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")],
    home: HomeOption = None,
) -> None:
    """End a token at once."""
    from tertulia.roles.gateway.service import revoke_token

    async def end(store: "Store") -> None:
        await revoke_token(store, await _owner(store), token_id)

    on_store(home, end)


async def _owner(store: "Store") -> "UserId":
    owner = await store.write(lambda tx: tx.accounts.owner())
    return owner.id


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "never"
