"""Usage: mutants.py [MODULE...]: change the code in small ways, and say what no test notices.

`make mutants` runs it. mutmut makes the changes, one at a time; of each, mypy is asked, then the
tests that stand near the module, on SQLite. What survives is a fault that nobody would notice, or
no fault: those stand with their reasons in mutants.toml. Any other one makes this end with 1.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".cache" / "mutants"
LISTED = ROOT / ".ci" / "mutants.toml"
FOLDERS = ("sessionstore", "tests", "demo_site", "docs")
SPINNER = set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
CAUGHT = ("killed", "timeout", "segfault", "caught by type check")
# Of one module, with the tests of its own.
CORE = "crypto express_format expiry journal keys merge record"
NEAR = {
    **{f"core/{name}.py": [f"core/test_{name}.py"] for name in CORE.split()},
    "core/codec.py": ["core/test_codec.py"],
    "core/encryption.py": [
        *("core/test_codec.py", "engine/test_encryption.py", "checks/test_settings.py"),
    ],
    "core/text.py": ["web/test_security_log.py", "ops/test_sessionstats.py"],
    "core/binding/dbsc.py": ["binding/test_endpoints.py"],
    "core/binding/tokens.py": ["binding/test_endpoints.py", "binding/test_sessions.py"],
    "core/headers/cookies.py": ["core/test_cookies.py", "web/test_cookie_names.py"],
    "core/headers/set_cookie.py": ["core/test_set_cookie.py", "engine/test_middleware.py"],
    "core/headers/forwarded.py": ["core/test_forwarded.py"],
    "core/headers/user_agent.py": ["core/test_user_agent.py"],
    "session/expiring.py": ["engine/test_sliding.py", "engine/test_lifetimes.py"],
    "users/accounts.py": ["web/test_lost_accounts.py", "web/test_ends.py"],
    "users/impersonation.py": ["web/test_impersonation.py", "web/test_recent_login.py"],
    "users/mass_revocation.py": ["ops/test_revokesessions.py", "ops/test_pace.py"],
    "users/pending.py": ["web/test_ends.py", "web/test_ends_beside_faults.py"],
    "users/limits.py": ["web/test_ends.py", "web/test_signals.py"],
    "users/revocation.py": ["web/test_ends.py", "web/test_admin.py", "web/test_signals.py"],
    "decorators.py": ["web/test_recent_login.py", "web/test_idle.py", "web/test_devices.py"],
    "cache/entries.py": ["engine/test_cached_sql.py"],
    "cache/rows.py": ["engine/test_cached_sql.py"],
    "views/binding.py": ["binding/test_endpoints.py", "binding/test_sessions.py"],
    "core/sign_ins/facts.py": ["core/test_sign_ins.py", "engine/test_sign_ins.py"],
    "core/sign_ins/methods.py": ["core/test_sign_ins.py"],
    "views/history.py": ["history/test_shown.py"],
    "views/known_devices.py": ["known/test_pages.py", "known/test_mail.py"],
    "views/own_pages.py": ["web/test_devices.py", "history/test_shown.py", "known/test_pages.py"],
    "views/oidc.py": ["links/test_backchannel.py", "links/test_frontchannel.py"],
    "views/devices.py": ["web/test_devices.py"],
    "views/idle.py": ["web/test_idle.py"],
    "views/login.py": ["web/test_login.py", "web/test_recent_login.py"],
    "views/logout.py": ["web/test_logout.py"],
    "views/resume.py": ["web/test_kept_forms.py"],
}
# The first three measure, which would be mutmut's two calls before each of ours. The last leaves
# threads behind that hold the database of one run of pytest, and mutmut runs it again in a process.
LEFT_OUT = [
    "tests/core/test_keys.py::test_keys_do_not_repeat",
    "tests/core/test_merge.py::test_deep_data_are_merged_and_compared",
    "tests/core/test_merge.py::test_the_cost_of_a_merge_is_linear_in_the_breadth",
    "tests/web/test_recent_login.py::test_it_holds_under_asgi_too",
]
OPTIONS = [
    *("-m", "not soak", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"),
    # Connections of the process that forked are closed in this one, at some moment.
    *("-W", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
# What mutmut wraps around a function confuses these two checks, far from the mutant.
MYPY = ["mypy", "--output=json", "--no-warn-unused-ignores", "--disable-error-code=no-any-return"]
SETTINGS = """
[tool.mutmut]
source_paths = ["sessionstore"]
only_mutate = ["sessionstore/{module}"]
also_copy = ["demo_site", "docs", "conftest.py", "manage.py"]
pytest_add_cli_args = {options}
pytest_add_cli_args_test_selection = {tests}
type_check_command = {mypy}
"""
CONFTEST = """
import sys
import hypothesis
import pytest
from tests.harness import django_sdist, node

# What a decorator does at the import, it does again in the process of the mutant.
@pytest.fixture(autouse=True)
def pages_are_decorated_anew():
    sys.modules.pop("tests.web.urls", None)

def left_out():
    raise django_sdist.SdistMissingError("mutants are examined without a download")

django_sdist.tests_folder = left_out
# It takes longer than a mutant may, so the formats of Express have vectors as well.
node.why_no_node = lambda: "mutants are examined without Node"
# The same few examples for each mutant.
few = {"max_examples": 25, "derandomize": True, "database": None, "deadline": None}
hypothesis.settings.register_profile("mutants", **few)
# mutmut's calls are as deep again, and again.
sys.setrecursionlimit(4 * sys.getrecursionlimit())
"""


@dataclass(slots=True)
class Outcome:
    """What became of the mutants of one module; `unknown` are the diffs of those to look at.

    `survived` are those that may. `failure` is what mutmut said when it did not get as far: tests
    that fail without any mutant.
    """

    module: str
    counts: Counter[str] = field(default_factory=Counter)
    survived: set[tuple[str, str]] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    failure: str = ""

    def __str__(self) -> str:
        caught = ", ".join(f"{self.counts[name]} {name}" for name in CAUGHT if self.counts[name])
        if self.failure:
            return f"{self.module}: {self.failure}"
        total = self.counts.total()
        left = f"{len(self.survived)} listed, {len(self.unknown)} to look at"
        return f"{self.module:28} {total:4} mutants: {caught}; {left}"


def change_of(diff: str) -> tuple[str, str]:
    """Return what a diff takes away, behind the line above it, and what it puts in its place."""
    above, before, after = "", [], []
    for line in diff.partition("@@\n")[2].splitlines():
        match line[:1], line[1:].strip():
            case "-", text:
                before.append(text)
            case "+", text:
                after.append(text)
            case _, text if not before:
                above = text
    return " ".join([above, *before]), " ".join(after)


def listed_for(module: str) -> set[tuple[str, str]]:
    """Return the changes of a module that are no faults."""
    entries = tomllib.loads(LISTED.read_text()).get(module, [])
    return {(entry["before"], entry["after"]) for entry in entries}


def prepare(module: str) -> Path:
    """Lay a copy of the tree, with the settings of mutmut in it; return where."""
    folder = WORK / module.removesuffix(".py").replace("/", ".")
    shutil.rmtree(folder, ignore_errors=True)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    tests = [f"tests/{name}" for name in NEAR[module]]
    options = [*OPTIONS, *(f"--deselect={name}" for name in LEFT_OUT)]
    mypy = [*MYPY, f"sessionstore/{module}"]
    settings = SETTINGS.format(module=module, tests=tests, options=options, mypy=mypy)
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + settings)
    (folder / "conftest.py").write_text(CONFTEST)
    # pytest-django looks for it, and would go on looking above this folder.
    shutil.copy(ROOT / "manage.py", folder)
    return folder


class MutmutError(Exception):
    """It did not get as far as to tell what survives."""


def mutmut(folder: Path, *arguments: str) -> str:
    """Run it in a folder; return what it prints. Raises MutmutError with that when it fails."""
    beside = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}
    # What is missing is skipped here, also where CI asks for it.
    environment |= {"SESSIONSTORE_TEST_DATABASES": "sqlite", "CI": "false"}
    run = partial(subprocess.run, cwd=folder, env=environment, capture_output=True, text=True)
    done = run([f"{beside}/mutmut", *arguments], check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        said = [line for line in lines if line[:1] not in SPINNER]
        raise MutmutError("\n".join([f"mutmut {arguments[0]} failed in {folder}", *said]))
    return done.stdout


def say(*lines: str) -> None:
    """Tell it at once: a module takes minutes."""
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


def examine(module: str) -> Outcome:
    """Let mutmut change a module, and say what survives."""
    outcome = Outcome(module)
    try:
        _examine(prepare(module), outcome, listed_for(module))
    except MutmutError as error:
        outcome.failure = str(error)
    say(str(outcome), *outcome.unknown)
    return outcome


def _examine(folder: Path, outcome: Outcome, listed: set[tuple[str, str]]) -> None:
    # One at a time: the tests of a module share a database and a cache.
    mutmut(folder, "run", "--max-children", "1")
    statuses = mutmut(folder, "results", "--all", "true")
    for name, status in re.findall(r"^\s+(\S+): (.+)$", statuses, re.MULTILINE):
        outcome.counts[status] += 1
        if status in CAUGHT:
            continue
        diff = mutmut(folder, "show", name)
        if change_of(diff) in listed:
            outcome.survived.add(change_of(diff))
        else:
            outcome.unknown.append(diff)
    # Also a sign that the tests fail whatever is changed.
    caught = [f"listed, but caught: {change}" for change in listed - outcome.survived]
    outcome.unknown += sorted(caught)


def main(arguments: list[str]) -> int:
    """Examine the modules that are named, or all of them."""
    modules = [one.removeprefix("sessionstore/") for one in arguments] or list(NEAR)
    if unknown := set(modules) - set(NEAR):
        known = ", ".join(NEAR)
        raise SystemExit("no tests are named for " + ", ".join(unknown) + "; known are " + known)
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        outcomes = list(pool.map(examine, modules))
    total = sum(one.counts.total() for one in outcomes)
    left = sum(len(one.unknown) for one in outcomes)
    say(f"{total} mutants, {sum(len(one.survived) for one in outcomes)} listed, {left} to look at")
    return 1 if left or any(one.failure for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
