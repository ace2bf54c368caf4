"""Directives that write parts of the reference out of the package, so that they cannot be old."""

import os
import re
from pathlib import Path

from django.core.management import get_commands, load_command_class
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

PACKAGE = Path(__file__).parents[2] / "sessionstore"
TEMPLATES = PACKAGE / "templates"
STYLES = PACKAGE / "static" / "sessionstore" / "sessionstore.css"
_WIDTH = 88


class Commands(SphinxDirective):
    """A section for each command, with what `--help` prints of it."""

    def run(self):
        """Return the sections."""
        os.environ["COLUMNS"] = str(_WIDTH)
        owners = get_commands()
        names = sorted(name for name, app in owners.items() if app == "sessionstore")
        return [self._section(name) for name in names]

    def _section(self, name):
        parser = load_command_class("sessionstore", name).create_parser("manage.py", name)
        section = nodes.section(ids=[name], names=[name])
        self.state.document.note_explicit_target(section)
        section += nodes.title("", "", nodes.literal("", name))
        section += nodes.literal_block("", parser.format_help(), language="text")
        return section


class _Table(SphinxDirective):
    """A table in Markdown, whose rows a subclass finds."""

    head = ()

    def rows(self):
        raise NotImplementedError

    def run(self):
        """Return the parsed table."""
        rows = [self.head, ["---"] * len(self.head), *self.rows()]
        lines = [f"| {' | '.join(cells)} |" for cells in rows]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source=__file__), self.content_offset, node)
        return node.children


class Templates(_Table):
    """The templates that a site may override, with their blocks."""

    head = ("Template", "Extends", "Blocks")

    def rows(self):
        for path in sorted([*TEMPLATES.rglob("*.html"), *TEMPLATES.rglob("*.txt")]):
            source = path.read_text()
            extends = re.findall(r"{% extends \"(.+?)\" %}", source)
            blocks = re.findall(r"{% block (\w+) %}", source)
            yield (
                f"`{path.relative_to(TEMPLATES)}`",
                ", ".join(f"`{name}`" for name in extends),
                ", ".join(f"`{name}`" for name in blocks),
            )


class Properties(_Table):
    """The custom properties of the stylesheet, with their first value and the others."""

    head = ("Custom property", "Light", "Dark")

    def rows(self):
        values, declared = {}, re.compile(r"^\s*(--ss-[\w-]+):\s*(.+?);", re.MULTILINE)
        for name, value in declared.findall(STYLES.read_text()):
            values.setdefault(name, []).append(value)
        for name, [first, *others] in values.items():
            yield f"`{name}`", f"`{first}`", f"`{others[0]}`" if others else "the same"


def setup(app):
    """Name the directives."""
    app.add_directive("commands", Commands)
    app.add_directive("templates", Templates)
    app.add_directive("custom-properties", Properties)
    return {"parallel_read_safe": True}
