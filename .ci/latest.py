"""Usage: latest.py REPORT...: say which neighbour broke. `make test-latest` ends with it.

Runs in the environment with the newest releases, and reads the JUnit reports of its test runs.
"""

import re
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).parents[1] / "uv.lock"
UNKNOWN = "no neighbour is named by the test or its traceback: any of the above"
NO_TESTS = "a run did not get as far as its tests; its output is above"


def canonical(name: str) -> str:
    """Return the name of a distribution as the lock writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(lock: Path) -> dict[str, list[str]]:
    """Return the versions of each package in the lock: Django has three."""
    versions: dict[str, list[str]] = defaultdict(list)
    for package in tomllib.loads(lock.read_text())["package"]:
        versions[package["name"]].append(package["version"])
    return dict(versions)


def differences(locked: dict[str, list[str]], installed: dict[str, str]) -> dict[str, str]:
    """Return "old -> new" for each package whose version the lock does not have."""
    return {
        name: f"{' or '.join(locked.get(name, ['not locked']))} -> {version}"
        for name, version in sorted(installed.items())
        if version not in locked.get(name, [])
    }


def failures(report: Path) -> dict[str, str]:
    """Return the text of each test that failed, by its name."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        for outcome in [*case.findall("failure"), *case.findall("error")]:
            # A module that could not be imported has no class, and its own name.
            name = "::".join(filter(None, [case.get("classname"), case.get("name")]))
            found[name] = f"{outcome.get('message')}\n{outcome.text}"
    return found


def neighbour(test: str, text: str, *, changed: dict[str, str], names: set[str]) -> str:
    """Return the package that a failure is about.

    The one that the module is named after (test_allauth: django-allauth); else the changed one
    that is innermost in the traceback; else UNKNOWN.
    """
    for about in re.findall(r"\btest_(\w+)", test.partition("::")[0]):
        for name in (canonical(about), f"django-{canonical(about)}"):
            if name in names:
                return name
    modules = metadata.packages_distributions()
    for module in reversed(re.findall(r"site-packages/(\w+)", text)):
        for name in map(canonical, modules.get(module, [])):
            if name in changed:
                return name
    return UNKNOWN


def main(reports: list[str]) -> int:
    """Print what differs from the lock and what failed, and return 1 if anything did."""
    locked = locked_versions(LOCK)
    installed = {canonical(one.name): one.version for one in metadata.distributions()}
    changed = differences(locked, installed)
    lines = ["", "=== what differs from uv.lock"]
    lines += [f"  {name} {versions}" for name, versions in changed.items()] or ["  nothing"]
    broken: dict[str, list[str]] = defaultdict(list)
    for report in map(Path, reports):
        if not report.exists():
            broken["a run did not get as far as its tests, see its output above"].append(
                str(report)
            )
            continue
        for test, text in failures(report).items():
            broken[neighbour(test, text, changed=changed, names=set(locked))].append(test)
    lines.append("=== which neighbour broke")
    for name, tests in broken.items():
        versions = changed.get(name, "as in the lock" if name in locked else "")
        lines += [
            f"  {name} {versions}".rstrip() + f": {len(tests)} failed",
            *(f"      {test}" for test in tests),
        ]
    lines += [] if broken else ["  none: every test passed with the newest releases"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
