"""The first hour of a newcomer: a clone, a project by the quickstart, one that was there before.

.ci/newcomer.py plays all of it from a clone, with the package installed. The steps that would only
repeat, in the suite, what tests/ecosystem, tests/express and tests/web have seen: tests/newcomer.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.conftest import PATIENCE_MS, ROOT
from tests.harness.lock import locked
from tests.harness.process import Launched, free_port, launch
from tests.harness.projects import PACKAGE, PYTHON
from tests.web.test_demo import command

PAGE = (ROOT / "docs" / "quickstart.md").read_text()
NAME, PASSWORD = "ann", "a-long-passphrase"
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
# What Django itself wants; all three are pure Python.
DJANGO = ("django", "asgiref", "sqlparse")
FRAME = """<!doctype html><html lang="en"><title>Shop</title>
<h1>The frame of the shop</h1>{% block content %}{% endblock %}</html>"""
CLIENT = "198.51.100.7"
MOVED = """
SESSIONSTORE_TRUSTED_PROXIES = 1
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@dataclass(slots=True)
class Project:
    """A project that is made as the page says, on some Python and Django."""

    folder: Path
    python: str = PYTHON
    django: str = ""
    server: Launched | None = None
    port: int = 0

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{self.django}" if self.django else PACKAGE,
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "DJANGO_SUPERUSER_USERNAME": NAME,
            "DJANGO_SUPERUSER_EMAIL": "ann@example.org",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }

    def run(self, *words: str, code: int = 0) -> str:
        """Run Python in the folder; return all that it prints."""
        ran = subprocess.run(
            [self.python, "-W", "error", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == code, ran.stdout
        return ran.stdout

    def manage(self, *words: str, code: int = 0) -> str:
        return self.run("manage.py", *words, code=code)

    def change(self, diff: str) -> None:
        """Apply a block of the page; each of its places must be there once."""
        name, *lines = diff.splitlines()
        old = "\n".join(line[1:] for line in lines if not line.startswith("+"))
        new = "\n".join(line[1:] for line in lines if not line.startswith("-"))
        file = self.folder / name.removeprefix("# ")
        before = file.read_text()
        assert before.count(f"{old}\n") == 1, diff
        file.write_text(before.replace(old, new))

    def add(self, lines: str) -> None:
        with (self.folder / "shop" / "settings.py").open("a") as settings:
            settings.write(lines)

    def serve(self) -> str:
        """Start the server anew; return its address."""
        self.stop()
        self.port = free_port()
        self.server = launch(
            "project",
            [self.python, "manage.py", "runserver", "--noreload", str(self.port)],
            log=self.folder / "log",
            folder=self.folder,
            environment=self.environment,
        )
        self.server.wait_for_port(self.port)
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()


@pytest.fixture(scope="module")
def django61() -> dict[str, str]:
    """The newest Python that is here, and the Django 6.1 of the lock in a folder of the cache."""
    folders = [str(path) for path in sorted(PYENV.glob("versions/3.1[2-9]*/bin"))]
    path = os.pathsep.join([*folders, os.environ["PATH"]])
    found = [shutil.which(f"python3.{minor}", path=path) for minor in (14, 13, 12)]
    python = next(filter(None, found), None)
    if python is None:
        pytest.skip("Django 6.1 needs Python 3.12, which is not on this machine")
    wanted = [one for one in locked() if one["name"] in DJANGO]
    wanted = [one for one in wanted if one["name"] != "django" or one["version"] >= "6.1"]
    versions = [f"{one['name']}=={one['version']}" for one in wanted]
    folder = ROOT / ".cache" / "-".join(sorted(versions)).replace("==", "-")
    if not folder.exists():
        half = folder.with_suffix(f".{os.getpid()}")
        words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        words += ["--target", str(half), "--only-binary=:all:", "--python-version=3.12", *versions]
        subprocess.run([sys.executable, *words], check=True)
        half.rename(folder)
    return {"python": python, "django": str(folder)}


@pytest.fixture
def begun(tmp_path) -> Iterator[list[Project]]:
    """The projects that a test has made; their servers end with it."""
    projects: list[Project] = []
    yield projects
    for project in projects:
        if project.server is not None:
            sys.stdout.write(project.server.log_tail())  # shown for a test that has failed
        project.stop()


def start(begun: list[Project], folder: Path, **release: str) -> Project:
    """Do what `django-admin startproject` and `cd` do."""
    assert "django-admin startproject shop\ncd shop\n" in blocks("console")[0]
    begun.append(Project(folder, **release))
    begun[-1].run("-m", "django", "startproject", "shop")
    begun[-1].folder = folder / "shop"
    return begun[-1]


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """Return a tab, and what it could not find."""
    context.set_default_timeout(PATIENCE_MS)
    page, missing = context.new_page(), list[str]()

    def note(response) -> None:
        if response.status >= 400 and "favicon" not in response.url:
            missing.append(f"{response.status} {response.url}")

    page.on("response", note)
    return page, missing


def sign_in(page: Page) -> None:
    page.fill("#id_username", NAME)
    page.fill("#id_password", PASSWORD)
    page.click("form:has(#id_password) [type=submit]")


@pytest.mark.parametrize("release", ["installed", "6.1"])
def test_a_new_project_by_the_quickstart(begun, tmp_path, chromium, request, release):
    """Its lines and its commands as printed; then somebody signs in, and sees pages with styles."""
    project = start(
        begun, tmp_path, **(request.getfixturevalue("django61") if release == "6.1" else {})
    )
    for block in blocks("diff"):
        project.change(block)
    commands = re.findall(r"^python (manage.py .+)$", blocks("console")[1], re.MULTILINE)
    assert [one.split()[1] for one in commands] == [
        *("migrate", "createsuperuser", "check", "runserver")
    ]
    migrated, _, checked = (
        project.run(*one.split(), *(["--no-input"] if "createsuperuser" in one else []))
        for one in commands[:3]
    )
    assert "Applying sessionstore.0001_initial... OK" in migrated
    assert set(re.findall(r"sessionstore\.(\w+)", checked)) == {
        *("W010", "W021", "W023", "W042", "W043")
    }
    context = chromium.new_context()
    page, missing = watched(context)
    address = project.serve()
    page.goto(f"{address}/account/devices/")
    assert page.url == f"{address}/account/login/?next=/account/devices/"
    page.goto(f"{address}/account/login/")
    sign_in(page)
    page.wait_for_url(f"{address}/account/devices/")
    assert re.fullmatch("[0-9a-v]{40}", cookie(context))
    assert missing == []
    context.close()


def cookie(context: BrowserContext) -> str:
    return next(one["value"] for one in context.cookies() if one["name"] == "sessionid")


def test_an_existing_project_with_live_logins(begun, tmp_path, chromium):
    """Who is signed in stays so: in the site's frame, behind its proxy, without Django's app."""
    project = start(begun, tmp_path)
    project.manage("migrate", "--verbosity=0")
    project.manage("createsuperuser", "--no-input")
    context = chromium.new_context(extra_http_headers={"X-Forwarded-For": CLIENT})
    page, missing = watched(context)
    page.goto(f"{project.serve()}/admin/")
    sign_in(page)
    page.wait_for_selector("text=Site administration")
    before = cookie(context)

    for block in blocks("diff"):
        project.change(block)
    project.add(MOVED + blocks("python")[0])
    frame = project.folder / "templates" / "sessionstore" / "base.html"
    frame.parent.mkdir(parents=True)
    frame.write_text(FRAME)
    project.manage("migrate", "--verbosity=0")
    assert "no issues" in project.manage("check")
    address = project.serve()
    page.goto(f"{address}/account/devices/")
    assert page.text_content("h1") == "The frame of the shop"
    assert page.url == f"{address}/account/devices/"
    assert len(before) == 32
    assert len(cookie(context)) == 40
    page.context.clear_cookies()
    page.goto(f"{address}/account/login/")
    sign_in(page)
    page.wait_for_url(f"{address}/account/devices/")
    assert CLIENT in page.text_content("body")
    assert missing == []

    context.close()

    settings = project.folder / "shop" / "settings.py"
    project.manage("migrate", "sessions", "zero", "--verbosity=0")
    settings.write_text(settings.read_text().replace("    'django.contrib.sessions',\n", ""))
    project.add("del SESSIONSTORE_ADOPT_FROM\n")
    assert "no issues" in project.manage("check")
    importing = "import django.contrib.sessions.models"
    assert "RuntimeError" in project.manage("shell", "--command", importing, code=1)


def test_make_alone_shows_the_way():
    """The default goal lists the targets in columns; `make demo` runs what the tests of it run."""
    # Below `make test` it would tell its depth as well.
    alone = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    made = subprocess.run(
        ["make"], cwd=ROOT, env=alone, stdout=subprocess.PIPE, text=True, check=True
    )
    helped = made.stdout.splitlines()
    assert any(line.startswith("  make demo ") for line in helped)
    assert len({re.match(r"  make \S+ +", line).end() for line in helped}) == 1
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^demo:.*\n\t@\$\(BIN\)/python (.+) \$\(PORT\)$", makefile, re.MULTILINE)
    assert recipe[1].split() == command(0)[1:-1]
