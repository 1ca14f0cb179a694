"""`tertulia doctor`: is everything that is configured as it should be?"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tertulia.cli.options import AddressOption, HomeOption, JsonOption, ModelOption, echo_json
from tertulia.kit.errors import TertuliaError

if TYPE_CHECKING:
    from tertulia.cli.checks import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    home: HomeOption = None,
    address: AddressOption = None,
    model: ModelOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Check what is configured, and say how to mend what is wrong.

    It changes nothing, and may be asked beside a running server. Exit code 1 when something is
    wrong.
    """
    findings = _examine({"home": home, "address": address, "model": model})
    if json:
        echo_json(
            [{"check": f.check, "ok": f.ok, "finding": f.finding, "mend": f.mend} for f in findings]
        )
    else:
        for finding in findings:
            typer.echo(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.check}: {finding.finding}")
            if finding.mend:
                typer.echo(f"       mend: {finding.mend}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _examine(options: dict[str, str | Path | None]) -> "list[Finding]":
    from tertulia.assembly.settings import load_settings
    from tertulia.cli.checks import CHECKS, Finding

    try:
        settings = load_settings(options)
    except TertuliaError as error:
        mend = "change it where it was given; `tertulia config` shows all of them"
        return [Finding("settings", ok=False, finding=error.message, mend=mend)]
    findings = [Finding("settings", finding="all are known and allowed")]
    for name, check in CHECKS.items():
        try:
            findings.append(check.run(settings))
        except (TertuliaError, OSError) as error:
            findings.append(Finding(name, ok=False, finding=str(error), mend=check.mend))
    return findings
