"""docs/security.md: each requirement has its row, each row its tests, and each test exists."""

import ast
import hmac
import re
from functools import cache
from pathlib import Path

import pytest
from django.db import connections, models
from django.test.utils import isolate_apps

from sessionstore.core import crypto
from sessionstore.core.keys import Keyring
from sessionstore.models import AbstractSession
from sessionstore.table.statements import compose

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "sessionstore"
DOCUMENT = (TESTS.parent / "docs" / "security.md").read_text()
ROWS = re.findall(
    r"^\| ([\w.-]+) \| (.+?) \| (met|partly|out of scope) \| (.+?) \| (.+) \|$",
    DOCUMENT,
    re.MULTILINE,
)
NAMED = sorted(set(re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", DOCUMENT)))
REQUIRED = re.findall(
    r"\S+",
    """
    7.1.1 7.1.2 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.5.3
    3.3.1 3.3.2 3.3.3 3.3.4 3.3.5 3.5.1 3.5.3 3.7.2 6.3.1 6.3.8 6.5.2 8.3.2 1.2.4 1.5.2 11.2.4
    13.1.3 13.3.4 14.2.1 14.3.1 15.4.2 15.4.3 16.2.5 16.3.1 16.3.2 16.3.3 16.3.4 16.5.1 16.5.2
    16.5.3 16.5.4 sheet-1 sheet-2
""",
)
HOLES = re.findall(
    r"\S+",
    """
    CVE-2015-5143 CVE-2015-5963 CVE-2015-3982 CVE-2020-5224 CVE-2026-82311 CVE-2026-79313
    CVE-2026-39324 CVE-2023-46733 CVE-2025-46336 CVE-2019-15658 CVE-2026-35192
""",
)


@cache
def functions_in(path: str) -> set[str]:
    """The functions of a module, those of its classes too."""
    tree = ast.parse((TESTS / path).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_requirement_has_a_row():
    """And none stands there twice."""
    ids = [row[0] for row in ROWS]
    assert len(ids) == len(set(ids))
    assert set(REQUIRED) <= set(ids)


@pytest.mark.parametrize("hole", HOLES)
def test_every_known_hole_is_named(hole):
    """With at least one test."""
    [line] = [line for line in DOCUMENT.splitlines() if line.startswith(f"| {hole} |")]
    assert "::test_" in line


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_row_names_a_test(row):
    """A claim that nothing checks is no claim."""
    assert "::test_" in row[4]


@pytest.mark.parametrize(("path", "name"), NAMED, ids=["-".join(one) for one in NAMED])
def test_every_named_test_exists(path, name):
    """A test that was renamed must not live on in the document."""
    assert name in functions_in(path)


def test_tags_are_compared_in_constant_time(monkeypatch):
    """By hmac.compare_digest, at one place; no other module compares a tag (ASVS 11.2.4)."""
    compared = []
    monkeypatch.setattr(
        crypto.hmac, "compare_digest", lambda one, other: compared.append((one, other)) or False
    )
    ring = Keyring(["a secret", "an older one"])
    assert ring.open(ring.mint().text) is None
    assert len(compared) == 2
    callers = [
        path.name
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\btag\(.*\) ==|== tag\(", path.read_text())
    ]
    assert callers == []
    assert crypto.hmac is hmac


@isolate_apps("sessionstore")
def test_names_of_tables_and_columns_are_quoted(database):
    """A name that means something to SQL is only a name (ASVS 1.2.4, CVE-2019-15658)."""

    class Odd(AbstractSession):
        extra = models.IntegerField(null=True, db_column="select from")

        class Meta(AbstractSession.Meta):
            app_label = "sessionstore"
            db_table = "order; drop table"

    quote = connections[database].ops.quote_name
    statements = compose(database, Odd, ["extra"])
    for name in ("fetch", "lock", "insert", "update", "change_key", "touch", "remove"):
        text = getattr(statements, name)
        assert quote("order; drop table") in text
        for plain in ("order; drop table", "select from"):
            assert plain not in text.replace(quote(plain), "")
