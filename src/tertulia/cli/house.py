"""`tertulia roles` and `config`: what there is."""

import typer

from tertulia.cli.options import HomeOption, JsonOption, echo_json, echo_table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(roles)
    app.command()(config)


def roles(*, json: JsonOption = False) -> None:
    """List the roles, each with the ports that it uses."""
    from tertulia.assembly.roles import ROLES, ports_of, role

    known = [role(name) for name in ROLES]
    if json:
        echo_json(
            [{"name": r.name, "summary": r.summary, "ports": list(ports_of(r))} for r in known]
        )
        return
    rows = [("ROLE", "PORTS", "DOES")]
    rows += [(r.name, ", ".join(ports_of(r)), r.summary) for r in known]
    echo_table(rows)


def config(home: HomeOption = None, *, json: JsonOption = False) -> None:
    """Show the settings in force, and where each came from.

    Secrets are masked.
    """
    from tertulia.assembly.settings import load_settings

    settings = list(load_settings({"home": home}))
    if json:
        echo_json(
            [
                {
                    "setting": str(setting.key),
                    "variable": setting.key.variable,
                    "value": setting.value,
                    "origin": setting.origin,
                    "description": setting.description,
                }
                for setting in settings
            ]
        )
        return
    rows = [("SETTING", "VALUE", "FROM")]
    rows += [(str(s.key), "" if s.value is None else str(s.value), s.origin) for s in settings]
    echo_table(rows)
