"""`make release` refuses what would be a wrong release, and says what to do."""

import runpy
import subprocess
from pathlib import Path

import pytest

RELEASE = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "release.py"))
PYPROJECT = """
[project]
version = "1.2.0"
urls.Source = "https://forge.example/us/sessions"
"""
CHANGES = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-12-01

- **Something new.**

## [1.1.0] - 2026-11-01
"""


@pytest.fixture
def repository(tmp_path):
    """A repository that may be released; git looks at no settings but its own."""

    def git(*words: str) -> None:
        author = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        subprocess.run(["git", *author, *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    git("init")
    git("add", ".")
    git("commit", "--no-gpg-sign", "--message", "All")
    git("remote", "add", "origin", "git@forge.example:us/sessions.git")
    return tmp_path, git


def objections(root: Path) -> list[str]:
    return RELEASE["objections"](root)


def test_a_clean_tree_with_its_section_is_released(repository):
    """There is nothing to say."""
    assert objections(repository[0]) == []


def test_what_is_not_committed_is_no_release(repository):
    """The tag would name something else than what was built."""
    root, _ = repository
    (root / "new.py").touch()
    assert objections(root) == ["There is something that is not committed:\n?? new.py"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ("## [Unreleased]\n\n- New.\n", 'has no section "## [1.2.0] - YYYY-MM-DD"'),
        ("## [1.2.0]\n\n- New.\n", 'has no section "## [1.2.0] - YYYY-MM-DD"'),
        ("## [1.2.0] - 2026-12-01\n\n## [1.1.0] - 2026-11-01\n\n- Old.\n", "1.2.0 in"),
    ],
)
def test_a_release_says_what_it_changes(repository, changes, told):
    """Under its version and a date."""
    root, git = repository
    (root / "CHANGELOG.md").write_text(changes)
    git("commit", "--all", "--no-gpg-sign", "--message", "Changes")
    [found] = objections(root)
    assert told in found


def test_a_version_is_released_once(repository):
    """The index takes no second file of a name."""
    root, git = repository
    git("tag", "v1.2.0")
    [found] = objections(root)
    assert "The tag v1.2.0 is there: raise the version" in found


def test_the_links_of_the_release_lead_to_this_project(repository):
    """A fork that forgot its own address would send its users to ours."""
    root, git = repository
    git("remote", "set-url", "origin", "https://forge.example/others/sessions")
    assert objections(root) == [
        "No remote is https://forge.example/us/sessions, which pyproject.toml names."
    ]


def test_the_section_ends_where_the_next_begins():
    """What stood in an earlier release is not told again."""
    assert RELEASE["section_of"](CHANGES, "1.2.0") == "- **Something new.**"
