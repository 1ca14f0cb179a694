"""`tertulia relay`: the relay for ever or once, and its dead letters."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli.options import HomeOption, JsonOption, echo_json, echo_table
from tertulia.cli.work import with_ports

relay = typer.Typer(rich_markup_mode=None)
dead = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
relay.add_typer(dead, name="dead", help="Messages that were given up.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(relay, name="relay")


@relay.callback(invoke_without_command=True)
def relay_(
    context: typer.Context,
    home: HomeOption = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="One pass, then end: for cron.")] = False,
    json: JsonOption = False,
) -> None:
    """Keep the outbox moving and the store within its bounds.

    Without --once: for ever, as `tertulia run relay`. One pass works beside a running server; it
    ends with exit code 1 when there is a broker or a history log that does not answer.
    """
    if context.invoked_subcommand:
        return
    if not once:
        from tertulia.cli.serve import serve_roles

        serve_roles(["relay"], {"home": home}, link=False)
        return
    from tertulia.roles.relay.service.passing import run_once

    report = with_ports(home, run_once)
    texts, history_away = _move(home)
    waiting = Counter[str]()
    for depth in report.depths:
        waiting[depth.topic] += depth.waiting
    if json:
        dropped = {"outbox": report.outbox, "inbox": report.inbox, "feed": report.feed}
        moved = {"carried": report.carried, "reclaimed": report.reclaimed, "moved": texts}
        echo_json({"dropped": dropped, **moved, "waiting": waiting})
    else:
        typer.echo(
            f"Dropped {report.outbox} handled messages, {report.inbox} inbox rows and "
            f"{report.feed} feed rows; carried {report.carried}, reclaimed {report.reclaimed}, "
            f"moved {texts} texts; {sum(waiting.values())} messages wait."
        )
    if report.broker_away:
        typer.echo("The broker does not answer: what waits for it waits on.", err=True)
    if history_away:
        typer.echo("The history log does not answer: texts stay where they are.", err=True)
    if report.broker_away or history_away:
        raise typer.Exit(1)


def _move(home: Path | None) -> tuple[int, bool]:
    """How many older texts were moved, and whether the log was away."""
    from tertulia.ports.history import HistoryUnavailableError
    from tertulia.roles.relay.service.moving import move_due

    try:
        return with_ports(home, move_due), False
    except HistoryUnavailableError:
        return 0, True


@dead.command(name="list")
def list_(
    home: HomeOption = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Only of this topic.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    *,
    json: JsonOption = False,
) -> None:
    """List dead letters: what failed, how often and why."""
    from tertulia.ports.bus import Bus
    from tertulia.ports.store import DeadMessage

    async def find(bus: Bus) -> list[DeadMessage]:
        return list(await bus.dead(topic=topic, limit=limit))

    letters = with_ports(home, find)
    if json:
        echo_json(
            [
                {
                    "id": letter.id,
                    "topic": letter.topic,
                    "kind": letter.kind,
                    "attempts": letter.attempts,
                    "reason": letter.reason,
                    "died_at": letter.died_at.isoformat(),
                }
                for letter in letters
            ]
        )
        return
    rows = [("ID", "TOPIC", "ATTEMPTS", "DIED", "REASON")]
    rows += [
        (d.id, d.topic, str(d.attempts), d.died_at.strftime("%Y-%m-%d %H:%M"), d.reason)
        for d in letters
    ]
    echo_table(rows)


@dead.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID…]")] = None,
    home: HomeOption = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
) -> None:
    """Make dead letters due again.

    A running server takes them within seconds.
    """
    from tertulia.ports.bus import Bus
    from tertulia.roles.relay.service.dead_letters import replay_dead

    if bool(ids) == everything:
        msg = "name the ids of dead letters, or --all"
        raise typer.BadParameter(msg)

    async def again(bus: Bus) -> int:
        return await replay_dead(bus, message_ids=ids)

    count = with_ports(home, again)
    typer.echo(f"{count} dead letter{'' if count == 1 else 's'} due again.")
