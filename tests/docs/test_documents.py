"""What README and docs/ claim is true: a document that lies fails here."""

import re
import shlex
from ast import literal_eval
from importlib import import_module
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import get_commands, load_command_class
from django.test import override_settings

from sessionstore.backends.sql import SessionStore
from sessionstore.conf import Conf
from sessionstore.conf.setting import UNSET
from tests.docs import pages
from tests.docs.pages import PAGES, ROOT
from tests.harness.databases import ALIASES

DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES]
SOURCE = "\n".join(path.read_text() for path in (ROOT / "sessionstore").rglob("*.py"))
each_document = pytest.mark.parametrize(
    "path", DOCS, ids=[str(path.relative_to(ROOT)) for path in DOCS]
)


def text(name):
    return (ROOT / name).read_text()


def blocks(name, language):
    """Return the code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", text(name), re.DOTALL)


def test_every_setting_is_documented_with_its_default():
    """By the words that stand beside it in the source."""
    rows = re.findall(
        r"^\| `(SESSIONSTORE_\w+)` \| (.+?) \| (.+) \|$", text("docs/settings.md"), re.MULTILINE
    )
    assert {name: (default, words) for name, default, words in rows} == {
        setting.name: (
            "from the idle timeout" if setting.default is UNSET else f"`{setting.default!r}`",
            setting.__doc__,
        )
        for setting in Conf.all_settings()
    }


@each_document
def test_every_setting_that_is_named_exists(path):
    """A setting that was renamed must not live on in the documentation."""
    names = set(re.findall(r"\bSESSIONSTORE_[A-Z_]+\b", path.read_text()))
    assert names <= {setting.name for setting in Conf.all_settings()} | {
        "SESSIONSTORE_TEST_DATABASES"
    }


@each_document
def test_every_link_leads_somewhere(path):
    """Links between documents are relative, to files that exist."""
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


@each_document
def test_every_block_of_python_compiles(path):
    """An example with a typing mistake is worse than none."""
    for block in blocks(path.relative_to(ROOT), "python"):
        compile(block, str(path), "exec")


@each_document
def test_every_command_that_is_named_exists(path):
    """Ours and Django's."""
    for command in re.findall(r"manage\.py (\w+)", path.read_text()):
        assert command in get_commands(), command


@each_document
def test_every_target_that_is_named_exists(path):
    """Of the Makefile, whose `make help` lists them."""
    targets = set(re.findall(r"^([a-z-]+):.* ## ", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", path.read_text(), re.MULTILINE))
    assert named - targets <= {"help"}


def test_every_tool_of_development_is_documented():
    """What one runs to keep the repository green, next year as well."""
    tools = ("lock", "lock-check", "test-latest", "audit", "mysql", "newest-python", "release")
    for target in tools:
        assert f"`make {target}`" in text("docs/development.md")


def test_every_check_is_documented():
    """By its id, once, in one table; and no id is left that no check has."""
    in_source = set(re.findall(r"sessionstore\.([EW]\d{3})\b", SOURCE))
    documented = re.findall(r"^\| `([EW]\d{3})` \|", text("docs/checks.md"), re.MULTILINE)
    assert sorted(documented) == sorted(in_source)


def test_every_document_is_within_reach():
    """The README leads to the first page, whose table of contents has each of the others once."""
    assert "(docs/index.md)" in text("README.md")
    contents = "\n".join(blocks("docs/index.md", "{toctree}"))
    listed = re.findall(r"^(?:.+ <)?([\w/-]+)>?$", contents, re.MULTILINE)
    written = [str(path.relative_to(pages.DOCS).with_suffix("")) for path in PAGES]
    assert sorted([*listed, "index"]) == sorted(written)


@each_document
def test_every_command_line_parses(path):
    """By the command's own parser; the alias is one of the tests'."""
    owners = get_commands()
    for code in pages.blocks(path, "console"):
        for name, words in re.findall(r"manage\.py (\w+)(.*)$", code, re.MULTILINE):
            parser = load_command_class(owners[name], name).create_parser("manage.py", name)
            parser.parse_args(shlex.split(words.replace("--database sessions", "")))


def test_the_settings_that_are_shown_are_right(monkeypatch):
    """No check has anything against their names and values."""
    page = ROOT / "docs" / "settings.md"
    pages.Shop(page, monkeypatch)
    wrong = {"sessionstore.E001", "sessionstore.W001", "sessionstore.W025"}
    shown = [pages.settings_of(code) for code in pages.blocks(page, "python")]
    assert len([one for one in shown if one]) >= 7
    for one in shown:
        # Since Django 6.1, no list of databases means all of them.
        with override_settings(**one):
            found = run_checks(tags=["sessionstore"], databases=[])
        told = [told for told in found if told.id in wrong]
        assert told == []


def test_the_supported_versions_are_those_that_are_run():
    """By `make matrix`, and by the suite."""
    matrix = re.search(r"^MATRIX = (\{.*?^\})$", text("noxfile.py"), re.MULTILINE | re.DOTALL)
    page = text("docs/versions.md")
    shown = re.findall(r"^\| (\d\.\d) \| ([\d., ]+) \|$", page, re.MULTILINE)
    assert {django: pythons.split(", ") for django, pythons in shown} == literal_eval(matrix[1])
    databases = re.findall(r"^\| (\w+) \| (?:of|my|ps)", page, re.MULTILINE)
    assert {name.lower() for name in databases} == set(ALIASES)


def test_the_readme_is_short():
    """Who wants to know more reads on."""
    assert len(text("README.md").splitlines()) < 150


def test_methods_that_are_named_exist():
    """On the session that a view gets."""
    for path in DOCS:
        for method in re.findall(r"request\.session\.(\w+)", path.read_text()):
            assert hasattr(SessionStore, method), method


def test_the_table_of_ones_own_is_the_tested_one():
    """docs/extending.md shows what tests/owntable does."""
    shown = "".join(blocks("docs/extending.md", "python"))
    engine = import_module("tests.owntable.engine")
    for line in ('return {"cart_total": data.get("cart", {}).get("total")}', "def extra_columns("):
        assert line in shown
        assert line in Path(engine.__file__).read_text()
    assert "cart_total = models.IntegerField(null=True)" in shown
    assert "cart_total = models.IntegerField(null=True)" in text("tests/owntable/models.py")
