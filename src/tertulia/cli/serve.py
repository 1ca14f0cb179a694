"""`tertulia up`, `run` and `link`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tertulia.cli.models import pull_first
from tertulia.cli.options import (
    AddressOption,
    CharacterOption,
    HomeOption,
    ModelOption,
    OpenOption,
    PullOption,
)
from tertulia.cli.work import finish

if TYPE_CHECKING:
    from tertulia.assembly.wiring import Wiring
    from tertulia.ports.chat_model import ChatModel
    from tertulia.ports.model_catalogue import ModelCatalogue
    from tertulia.ports.store import Store


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(run)
    app.command()(link)


def up(
    home: HomeOption = None,
    address: AddressOption = None,
    model: ModelOption = None,
    open_: OpenOption = None,
    *,
    pull: PullOption = False,
) -> None:
    """Serve everything in one process; print a link to sign in with.

    When the page is ready, one line on stdout begins with `Open http://` and holds a link that
    signs in once. All other lines are logs.
    """
    from tertulia.assembly.roles import ROLES

    if pull:
        pull_first(home, model)
    options = {"home": home, "address": address, "model": model, "open": open_}
    serve_roles(ROLES, options, link=True)


def run(
    roles: Annotated[list[str], typer.Argument(metavar="ROLE…", help="See `tertulia roles`.")],
    home: HomeOption = None,
    address: AddressOption = None,
    model: ModelOption = None,
    open_: OpenOption = None,
    character: CharacterOption = None,
) -> None:
    """Serve some roles in one process.

    `tertulia link` prints a link to sign in with.
    """
    options = {
        "home": home,
        "address": address,
        "model": model,
        "open": open_,
        "inference.characters": character,
    }
    serve_roles(list(dict.fromkeys(roles)), options, link=False)


def link(home: HomeOption = None) -> None:
    """Print a fresh link to sign in to the running server.

    It works once. `gateway.public_url` says where people come in, when that is not here.
    """
    from tertulia.assembly.entrance import served_at
    from tertulia.assembly.process import wired
    from tertulia.assembly.settings import load_settings
    from tertulia.ports.store import Store

    settings = load_settings({"home": home})
    url = served_at(settings)

    async def make() -> str:
        async with wired(settings) as wiring:
            return await _fresh_link(await wiring.port(Store), url)

    typer.echo(finish(make))


async def _fresh_link(store: "Store", url: str) -> str:
    from tertulia.roles.gateway.service import create_link

    return f"{url}/signin#{await create_link(store)}"


def serve_roles(
    roles: Sequence[str], options: dict[str, str | bool | Path | None], *, link: bool
) -> None:
    """Serve until told to stop; `link`: print one when the page is ready."""
    from tertulia.assembly.process import call
    from tertulia.assembly.serving import serve
    from tertulia.assembly.settings import load_settings
    from tertulia.kit.logging import configure_logging
    from tertulia.kit.process_settings import ProcessSettings

    settings = load_settings(options)
    top = settings.of(ProcessSettings)
    configure_logging(form=top.log_format, level=top.log_level)

    call(lambda: serve(roles, settings, _greet if link else None))


async def _greet(wiring: "Wiring", url: str) -> None:
    """The link, and a remark when nobody is there to answer."""
    from tertulia.ports.chat_model import ChatModel
    from tertulia.ports.model_catalogue import ModelCatalogue
    from tertulia.ports.store import Store
    from tertulia.roles.gateway.settings import GatewaySettings

    url = wiring.settings(GatewaySettings).public_url or url
    typer.echo(f"Open {await _fresh_link(await wiring.port(Store), url)}")
    remark = await _missing_model(await wiring.port(ChatModel), await wiring.port(ModelCatalogue))
    if remark:
        typer.echo(remark, err=True)


async def _missing_model(model: "ChatModel", catalogue: "ModelCatalogue") -> str | None:
    """Why no model will answer; None when one does, or soon will."""
    from tertulia.ports.chat_model import ModelError

    try:
        models = await model.models()
    except ModelError as error:
        return f"No language model answers yet: {error.message}"
    known = {entry.name for entry in await catalogue.list() if entry.state == "absent"}
    if any(info.ready or info.id not in known for info in models):
        return None
    return models[0].note if models else "The model's source has no models."
