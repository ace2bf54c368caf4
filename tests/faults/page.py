"""What is generated: the marks of docs/reliability.md, the figures of docs/faults.md, and more.

More is what docs/scale.md says of the seconds of a failover, and docs/guides/servers.md of each
application server.
"""

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.faults.figures import ROWS, STORES, Row

MARKS = "marks"
TWO = "marks of two stores"
DETAILS = "details"
SECONDS = "seconds with errors"
SERVERS, SERVERS_STOCK = "servers", "servers with Django's engine"
FAILOVERS = {"promotion": "", "galera-kill": "Galera: ", "group-kill": "Group Replication: "}
SERVED = re.compile(
    r"(?P<lost>\d+ of (?P<changes>\d+)) .*; 0 of (?P<ended>\d+) .*; "
    r"(?P<failed>\d+ of \d+) requests failed.*"
)
# What was run here and on Django's engine only, such as all that needs a cluster.
FEW = {"ours", "cached_sql", "stock"}
Figures = dict[str, dict[str, list[dict[str, str]]]]


def drawn(text: str, measured: dict[str, Any]) -> str:
    """Return a document with those parts drawn anew that it has."""
    figures: Figures = defaultdict(lambda: defaultdict(list))
    for one in measured["figures"]:
        figures[one["row"]][one["site"]].append(one)
    parts = {
        MARKS: marks(figures),
        TWO: marks_of_two(figures),
        DETAILS: [*details(figures), *runs(measured["runs"])],
        SECONDS: list(seconds(figures)),
        SERVERS: list(served(figures["servers"]["ours"])),
        SERVERS_STOCK: list(served(figures["servers"]["stock"])),
    }
    for name, lines in parts.items():
        begin = f"<!-- tests.faults.report: {name} -->"
        end = f"<!-- tests.faults.report: end of {name} -->"
        before, found, rest = text.partition(begin)
        if found:
            text = f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}" + rest.partition(end)[2]
    return text


def is_compared(row: Row, found: dict[str, Any]) -> bool:
    """Tell whether a fault was tried on more stores than ours and Django's."""
    return bool(set(found) - FEW)


def marks(figures: Figures) -> list[str]:
    """Return the table of the faults that were tried on every store."""
    lines = [f"| | {' | '.join(STORES.values())} |", f"|---|{'---|' * len(STORES)}"]
    for name, row in ROWS.items():
        if is_compared(row, figures[name]):
            cells = [mark(row, site, figures[name].get(site, [])) for site in STORES]
            lines.append(f"| {link(row)} | {' | '.join(cells)} |")
    return lines


def marks_of_two(figures: Figures) -> list[str]:
    """Return the table of the other faults."""
    lines = ["| | here | Django `db` |", "|---|---|---|"]
    for name, row in ROWS.items():
        found = figures[name]
        if not is_compared(row, found):
            ours = "ours" if found.get("ours") or not found.get("cached_sql") else "cached_sql"
            here = mark(row, ours, found.get(ours, []))
            lines.append(f"| {link(row)} | {here} | {mark(row, 'stock', found.get('stock', []))} |")
    return lines


def link(row: Row) -> str:
    """Return the words of a fault, which lead to its figures."""
    return f"[{row.plain}](faults.md#{slug(row.plain)})"


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def mark(row: Row, site: str, found: list[dict[str, str]]) -> str:
    """Return the mark of a store: whether all, some or none of its figures meet the target."""
    if not found:
        return "n/a" if site in row.apart else "not run"
    bad = [one for one in found if not is_met(row, site, one["figure"])]
    if not bad:
        return "yes"
    word = "**no**" if len(bad) == len(found) else "partly"
    share = re.match(r"([\d,]+) of ([\d,]+)( [a-z0-9]+)*", bad[0]["figure"])
    # What is wrong at "6 of 6 still signed in; errors meanwhile: 500" is not that share.
    tells = share and not (share[1] == share[2] and r"of \1" in row.met)
    return f"{word}, {share.group()}" if share and tells else word


def is_met(row: Row, site: str, figure: str) -> bool:
    """Tell whether a figure meets the target; of ours the tests assert it."""
    return bool(re.fullmatch(row.met, figure)) if row.met else site in {"ours", "cached_sql"}


def details(figures: Figures) -> list[str]:
    """Return a section for each fault."""
    lines = []
    for name, row in ROWS.items():
        lines += ["", f"### {row.plain}", "", *wrapped(f"*Done:* {row.test}.")]
        lines += ["", *wrapped(f"*Asked:* {row.target}.")]
        lines += ["", *wrapped(row.remark)] if row.remark else []
        lines += ["", "| Store | Figure | Where | Date |", "|---|---|---|---|"]
        for site in STORES:
            lines += figures_of(site, figures[name].get(site, []))
        apart: dict[str, list[str]] = defaultdict(list)
        for site, why in row.apart.items():
            if not figures[name].get(site):
                apart[why].append(STORES[site])
        for why, sites in apart.items():
            lines += ["", *wrapped(f"Does not apply to {', '.join(sites)}: {why}.")]
    return lines


def seconds(figures: Figures) -> Iterator[str]:
    """Yield a table of how long each failover had errors, from the first to the last."""
    yield "| Fault | Seconds with errors | Date |"
    yield "|---|---|---|"
    for row, words in FAILOVERS.items():
        for one in figures[row]["ours"]:
            if found := re.search(r"within ([\d.]+) s", one["figure"]):
                yield f"| {words}{one['part']} | {found[1]} | {one['date']} |"


def served(found: list[dict[str, str]]) -> Iterator[str]:
    """Yield a table of what each application server did."""
    yield (
        "| Server | Acknowledged changes | Lost | Ended keys | Failed requests "
        "| A request whose worker takes SIGTERM | Date |"
    )
    yield "|---|---|---|---|---|---|---|"
    for one in found:
        server, _, ending = one["part"].partition("; SIGTERM in mid-request: ")
        figure = SERVED.fullmatch(one["figure"])
        assert figure, one
        lost, answer = figure["lost"].split()[0], "is answered" if ending == "200" else ending
        cells = (server, figure["changes"], lost, figure["ended"], figure["failed"], answer)
        yield f"| {' | '.join(cells)} | {one['date']} |"


def wrapped(text: str, *, indent: str = "") -> list[str]:
    """Return a paragraph in lines as long as prose may have."""
    return textwrap.wrap(
        text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def figures_of(site: str, found: list[dict[str, str]]) -> Iterator[str]:
    """Yield the lines of one store; circumstances with the same figure stand together."""
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in found:
        same[one["figure"], one["date"]].append(one["part"])
    for number, ((figure, date), parts) in enumerate(same.items()):
        name = STORES[site] if number == 0 else ""
        yield f"| {name} | {figure} | {'; '.join(parts)} | {date} |"


def runs(found: dict[str, str]) -> list[str]:
    """Return what each day's figures were measured on."""
    lines = ["", "### What the figures were measured on", ""]
    for day, what in sorted(found.items()):
        lines += wrapped(f"- {day}: {what}.", indent="  ")
    return lines
