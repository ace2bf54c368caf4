"""What meets whoever comes with a change: pages, hooks, forms, the hosted run."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.* ## ", MAKEFILE, re.MULTILINE)) | {"help"}
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", ".github/pull_request_template.md"]


def read(name: str) -> object:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_for_contributors_is_true(name):
    """Its links lead somewhere, its targets and its files are there."""
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\((?!https://)([^)#]+)\)", text):
        assert (ROOT / name).parent.joinpath(target).exists(), target
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= TARGETS
    for file in re.findall(r"`((?:\.ci|tests)/[\w./]+)`", text):
        assert (ROOT / file).exists(), file


def test_a_hole_is_reported_in_private():
    """By the form of the forge; and the issue form sends there."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    form = f"{urls['Source']}/security/advisories/new"
    assert form in (ROOT / "SECURITY.md").read_text()
    assert read(".github/ISSUE_TEMPLATE/config.yml")["contact_links"][0]["url"] == form


def test_hooks_run_what_is_locked_and_fetch_nothing():
    """By the programs that `make lint` and `make types` install."""
    [repository] = read(".pre-commit-config.yaml")["repos"]
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in hooks.values()} == {"system"}
    for line in re.findall(r"^\t\$\(BIN\)/((?:ruff|mypy).*)$", MAKEFILE, re.MULTILINE):
        words = line.removesuffix(" .")
        assert any(hook["entry"].startswith(f".venv/bin/{words}") for hook in hooks.values()), line


def test_the_hosted_run_is_the_one_of_this_repository():
    """It calls .ci/run, and the matrix on each Python of the noxfile."""
    workflow = read(".github/workflows/ci.yml")
    jobs = workflow["jobs"]
    lines = {name: [step.get("run") for step in job["steps"]] for name, job in jobs.items()}
    assert lines["run"][-1] == ".ci/run"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert re.match(r"make matrix ", lines["matrix"][-1])
    pythons = set(re.findall(r'"(3\.\d+)"', (ROOT / "noxfile.py").read_text()))
    assert set(jobs["matrix"]["strategy"]["matrix"]["python"]) == pythons
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("name", ["fault", "idea"])
def test_an_issue_form_is_complete(name):
    """It has what the forge asks for; a fault comes with the doctor's words."""
    form = read(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    fields = [one for one in form["body"] if one["type"] != "markdown"]
    assert len({one["id"] for one in fields}) == len(fields)
    assert all(one["attributes"]["label"] for one in fields)
    if name == "fault":
        [doctor] = re.findall(r"^doctor:.*\n\t.*manage\.py (check .*)$", MAKEFILE, re.MULTILINE)
        asked = next(one for one in fields if one["id"] == "doctor")["attributes"]["description"]
        assert set(doctor.split()) == set(asked.strip("`").split()[2:])


def test_editors_are_told_what_ruff_and_make_want():
    """Tabs in the Makefile, the length of lines, an end of the last one."""
    rules = (ROOT / ".editorconfig").read_text()
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert f"max_line_length = {ruff['line-length']}" in rules
    assert "[{Makefile,*.mk}]\nindent_style = tab" in rules
    assert "insert_final_newline = true" in rules
