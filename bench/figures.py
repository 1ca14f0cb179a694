"""A figure: what was measured, what was to be reached, what others reach."""

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `met` is None where there is no goal. What peers reach is quoted
    from shared measurements on two cores, not measured here, unless `beside` says so."""

    name: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None
    bare: str = ""
    peers: str = ""
    note: str = ""


def at_most(
    name: str,
    value: float,
    unit: str,
    limit: float,
    *,
    bare: str = "",
    peers: str = "",
    note: str = "",
) -> Figure:
    """A figure that is good when it is small."""
    return Figure(
        name=name,
        value=value,
        unit=unit,
        goal=f"≤ {limit:g}",
        met=value <= limit,
        bare=bare,
        peers=peers,
        note=note,
    )


def at_least(
    name: str,
    value: float,
    unit: str,
    limit: float,
    *,
    bare: str = "",
    peers: str = "",
    note: str = "",
) -> Figure:
    """A figure that is good when it is large."""
    return Figure(
        name=name,
        value=value,
        unit=unit,
        goal=f"≥ {limit:g}",
        met=value >= limit,
        bare=bare,
        peers=peers,
        note=note,
    )


def table(figures: list[Figure]) -> str:
    """For a terminal, and for Markdown."""
    head = ("figure", "here", "goal", "bare limit", "peers", "note")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["| " + " | ".join(_padded(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    verdict = {True: " ✓", False: " ✗", None: ""}[figure.met]
    value = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:.3g}"
    here = f"{value} {figure.unit}{verdict}"
    return figure.name, here, figure.goal, figure.bare, figure.peers, figure.note


def _padded(row: tuple[str, ...], widths: list[int]) -> list[str]:
    return [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
