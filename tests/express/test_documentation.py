"""docs/express.md says nothing that a test does not run."""

import json
import re
from pathlib import Path

import pytest

from sessionstore.conf.express import express
from tests.express.conftest import open_site
from tests.harness.node import run_node

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "express.md").read_text()
FOLDERS = [ROOT / "tests" / name for name in ("express", "engine")]
TESTS = "\n".join(path.read_text() for folder in FOLDERS for path in folder.glob("*.py"))


def block(language: str, containing: str) -> str:
    """Return the code block with these words."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return next(text for text in found if containing in text)


def first_column(title: str) -> set[str]:
    """Return the words in backticks of the first column of the table under this heading."""
    table = PAGE.partition(f"| {title} |")[2].partition("\n\n")[0]
    cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_each_claim_names_a_test_that_exists(name):
    """A test that was renamed must not leave a claim without proof."""
    assert f"def {name}(" in TESTS


def test_each_option_of_express_session_is_in_the_table():
    """The options that its source reads."""
    script = """
        const source = require('fs').readFileSync(require.resolve('express-session'), 'utf8')
        console.log(JSON.stringify([...source.matchAll(/\\bopts\\.(\\w+)/g)].map(one => one[1])))
    """
    # `key` is an older word for `name`.
    assert first_column("express-session") == set(json.loads(run_node(script))) - {"key"}


def test_each_option_of_express_mysql_session_is_in_the_table():
    """Its default options; those of the connection belong to DATABASES."""
    script = """
        const Store = require('express-mysql-session')(require('express-session'))
        console.log(JSON.stringify(Object.keys(Store.prototype.defaultOptions)))
    """
    assert first_column("express-mysql-session") == set(json.loads(run_node(script)))


def test_each_key_of_the_setting_is_in_the_table():
    """Each is accepted, and another one is not."""
    keys = first_column("Key")
    values = {
        "secrets": ["s"],
        "layout": "connect-pg-simple",
        "table": "t",
        "schema": "s",
        "columns": {},
        "expiration": 60,
        "user": True,
        "time_zone": "UTC",
        "prefix": "shop:",
        "genid": "reused",
    }
    assert keys == set(values)
    assert express(values)
    with pytest.raises(ValueError, match="unknown"):
        express({**values, "unknown": 1})


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_the_settings_of_the_page_share_a_session(database, shared_table, peers, settings):
    """The lines for Django, as printed."""
    printed: dict[str, object] = {}
    exec(block("python", "SESSION_ENGINE"), printed)  # noqa: S102 - our own page
    browser = open_site(database, shared_table, peers)
    layout = settings.SESSIONSTORE_EXPRESS.get("layout", "express-mysql-session")
    for name in ("SESSION_ENGINE", "SESSION_COOKIE_NAME"):
        setattr(settings, name, printed[name])
    settings.SESSIONSTORE_EXPRESS = {**printed["SESSIONSTORE_EXPRESS"], "layout": layout}
    browser.django(["set", "a", 1])
    assert browser.express()["loaded"]["a"] == 1


def test_the_verbs_of_the_page_run(database, shared_table):
    """The block with ExpressStore, as printed."""
    shared_table()
    exec(block("python", "ExpressStore"), {})  # noqa: S102 - our own page


def test_the_callable_of_the_page_is_accepted():
    """The block with user_of, as printed."""
    printed: dict[str, object] = {}
    exec(block("python", "user_of"), printed)  # noqa: S102 - our own page
    assert express(printed["SESSIONSTORE_EXPRESS"]).user({"account": {"id": 3}}) == 3


def test_each_option_of_connect_pg_simple_is_in_the_table():
    """The options that its source reads."""
    script = """
        const source = require('fs').readFileSync(require.resolve('connect-pg-simple'), 'utf8')
        console.log(JSON.stringify([...source.matchAll(/\\boptions\\.(\\w+)/g)].map(one => one[1])))
    """
    assert first_column("connect-pg-simple") == set(json.loads(run_node(script)))


@pytest.mark.parametrize("lines", re.findall(r"```javascript\n(.*?)```", PAGE, re.DOTALL))
def test_the_lines_for_express_are_javascript(lines):
    """They compile, and name packages that are there."""
    run_node(f"new (require('vm').Script)({json.dumps(lines)})")
    for name in re.findall(r"require\('([^']+)'\)", lines):
        run_node(f"require({json.dumps(name)})")


def test_the_middleware_of_the_page_shows_a_user_of_django_to_express():
    """Whoever passport knows stays; a visitor is nobody."""
    lines = block("javascript", "app.use((req")
    script = f"""
        const users = [{{ session: {{ _auth_user_id: '7' }} }}, {{ session: {{}} }}, {{}},
          {{ session: {{ _auth_user_id: '7' }}, user: {{ id: 8 }} }}].map(req => {{
          const app = {{ use: middleware => middleware(req, null, () => {{}}) }}
          {lines}
          return req.user ? req.user.id : null
        }})
        console.log(JSON.stringify(users))
    """
    assert json.loads(run_node(script)) == [7, None, None, 8]


def test_the_versions_are_those_that_are_locked():
    """Of the packages that the tests run with: the newest, and the oldest."""
    table = PAGE.partition("| Package | Newest | Oldest |")[2].partition("\n\n")[0]
    named = re.findall(r"\| `([a-z-]+)` \| (\d+\.\d+) \| (\d+\.\d+) \|", table)
    assert len(named) == 5
    folders = (("examples/express", ""), ("tests/express/node", "-old"))
    for number, (folder, suffix) in enumerate(folders, start=1):
        lock = json.loads((ROOT / folder / "package-lock.json").read_text())
        for row in named:
            version = lock["packages"][f"node_modules/{row[0]}{suffix}"]["version"]
            assert version.startswith(f"{row[number]}.")
        assert not any("resolved" in package for package in lock["packages"].values())


def test_prose_is_wrapped():
    """What is read in an editor and in a diff: only rows of tables are longer."""
    assert [line for line in PAGE.splitlines() if len(line) > 120 and line[0] != "|"] == []
