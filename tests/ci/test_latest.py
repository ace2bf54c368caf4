"""`make test-latest` ends by naming the neighbour that broke."""

import runpy
from pathlib import Path

import pytest

LATEST = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "latest.py"))
REPORT = """<testsuites><testsuite>
<testcase classname="tests.ecosystem.test_allauth" name="test_login[ours]">
  <failure message="KeyError: 'user'">tests/ecosystem/test_allauth.py:120: KeyError</failure>
</testcase>
<testcase classname="tests.engine.test_saving" name="test_save">
  <failure message="boom">
    x/site-packages/pytest_django/a.py:1: x/site-packages/_pytest/b.py:2: ValueError
  </failure>
</testcase>
<testcase classname="" name="tests.ecosystem.test_wagtail">
  <error message="collection failure">ImportError: no module</error>
</testcase>
<testcase classname="tests.core.test_keys" name="test_fine" />
</testsuite></testsuites>"""


@pytest.fixture
def lock(tmp_path, monkeypatch) -> Path:
    """A lock in which pytest is older than here, and wagtail and allauth are others."""
    path = tmp_path / "uv.lock"
    entries = {"pytest": "0.1", "wagtail": "1", "django-allauth": "1"}
    path.write_text(
        "".join(
            f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
            for name, version in entries.items()
        )
    )
    monkeypatch.setitem(LATEST["main"].__globals__, "LOCK", path)
    return path


def test_each_failure_is_joined_to_its_neighbour(lock, tmp_path, capsys):
    """By the name of the module; else by the innermost package in the traceback that changed."""
    (report := tmp_path / "report.xml").write_text(REPORT)
    assert LATEST["main"]([str(report)]) == 1
    differs, _, broke = capsys.readouterr().out.partition("=== which neighbour broke\n")
    assert f"  pytest 0.1 -> {pytest.__version__}\n" in differs
    lines = broke.splitlines()
    assert [line for line in lines if line.startswith("      ")] == [
        "      tests.ecosystem.test_allauth::test_login[ours]",
        "      tests.engine.test_saving::test_save",
        "      tests.ecosystem.test_wagtail",
    ]
    heads = [line.split()[0] for line in lines if not line.startswith("      ")]
    assert heads == ["django-allauth", "pytest", "wagtail"]


def test_a_failure_that_names_nobody_is_not_blamed_on_somebody(lock):
    """Its traceback is in our own files."""
    changed = {"pytest": "0.1 -> 9"}
    blamed = LATEST["neighbour"]("tests.core.test_keys::test_a", "", changed=changed, names=set())
    assert blamed == LATEST["UNKNOWN"]


def test_when_all_passed_it_says_so(lock, tmp_path, capsys):
    """And ends with 0."""
    (report := tmp_path / "report.xml").write_text("<testsuites/>")
    assert LATEST["main"]([str(report)]) == 0
    assert "none: every test passed" in capsys.readouterr().out


def test_a_run_without_a_report_is_no_success(lock, tmp_path, capsys):
    """Settings that cannot be read end pytest before it writes one."""
    assert LATEST["main"]([str(tmp_path / "missing.xml")]) == 1
    assert "did not get as far as its tests" in capsys.readouterr().out


def test_a_version_of_the_lock_is_no_difference():
    """Django is locked in several."""
    locked = {"django": ["5.2.19", "6.1.3"]}
    assert LATEST["differences"](locked, {"django": "6.1.3"}) == {}
    assert LATEST["differences"](locked, {"django": "7.0", "new": "1"}) == {
        "django": "5.2.19 or 6.1.3 -> 7.0",
        "new": "not locked -> 1",
    }
