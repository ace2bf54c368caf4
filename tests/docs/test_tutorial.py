"""docs/tutorial.md from top to bottom: what its commands print, and that nobody is logged out."""

import json
import re
import shlex

import pytest
from django.core.management import call_command

from tests.docs.pages import DOCS
from tests.harness.projects import run_python

PAGE = DOCS / "tutorial.md"
# Optimization: one process does all that needs the same settings, and prints what each prints.
DRIVER = """
import contextlib, io, json, pathlib, sys
import django
from django.core.management import execute_from_command_line
from django.test import Client

django.setup()

def sign_in(name):
    from django.contrib.auth.models import User
    browser = Client()
    browser.force_login(User.objects.create_superuser(name))
    pathlib.Path(name).write_text(browser.cookies["sessionid"].value)

def visit(name, page):
    browser, cookie = Client(), pathlib.Path(name)
    browser.cookies["sessionid"] = cookie.read_text()
    answer = browser.get(page)
    cookie.write_text(browser.cookies["sessionid"].value)
    print(answer.status_code, answer.wsgi_request.user)

def run(what, *words):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            {"sign_in": sign_in, "visit": visit}.get(what, manage)(*words)
        except SystemExit:
            pass
    return told.getvalue()

def manage(*words):
    execute_from_command_line(["manage.py", *words])

pathlib.Path("told").write_text(json.dumps([run(*step) for step in json.loads(sys.argv[1])]))
"""
# Whose browser comes before what stands below a heading, as the text there tells.
VISITS = {5: "ann", 7: "ben"}


def steps():
    """Yield for each heading its number, and the blocks below it as language and code."""
    parts = re.split(r"^## (\d)\. .+$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        yield int(number), re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Site:
    """A project on Django's own engine, in which Ann and Ben are signed in."""

    def __init__(self, folder):
        self.folder = folder
        self.waiting = []
        call_command("startproject", "shop", folder)
        (folder / "driver.py").write_text(DRIVER)
        served = 'from shop.settings import *\nALLOWED_HOSTS = ["testserver"]\n'
        (folder / "settings.py").write_text(served)
        self.do("", "manage", "migrate", "-v0")
        for name in ("ann", "ben"):
            self.do("", "sign_in", name)

    def do(self, shown, *step):
        """Note what is to be done, and what it may print: three dots are anything."""
        self.waiting.append((shown, step))

    def go(self):
        """Do what waits, and compare."""
        asked = json.dumps([step for _, step in self.waiting])
        code, told = run_python(self.folder, "driver.py", asked)
        assert code == 0, told
        printed = json.loads((self.folder / "told").read_text())
        for (shown, step), said in zip(self.waiting, printed, strict=True):
            pattern = re.escape(shown).replace(r"\.\.\.", "(?s:.*?)") + r"\s*"
            assert re.fullmatch(pattern, said), f"{step}\n{said}"
        self.waiting.clear()

    def write(self, name, code):
        """Change a file; what runs with it as it was has to be done first."""
        self.go()
        file = self.folder / name
        # A list of urls takes the place of the one that was there; settings are added.
        file.write_text(("" if file.name == "urls.py" else file.read_text()) + code)


@pytest.mark.django_db(databases=[])
def test_the_tutorial_does_what_it_says(tmp_path):
    """Every file, every command, every output, and the two witnesses."""
    site, done, visits = Site(tmp_path), [], dict(VISITS)
    for number, blocks in steps():
        done.append(number)
        for language, code in blocks:
            named = re.match(r"# ([\w/]+\.py)\n", code)
            if language == "python" and named:
                site.write(named[1], code)
            if language == "console":
                if name := visits.pop(number, None):
                    site.do(f"200 {name}", "visit", name, "/admin/")
                for line, shown in re.findall(
                    r"^\$ python manage\.py (.+)\n((?:(?!\$ ).*\n)*)", code, re.MULTILINE
                ):
                    site.do(shown, "manage", *shlex.split(line))
    site.do("200 ann", "visit", "ann", "/account/devices/")
    site.do("...302 AnonymousUser", "visit", "ben", "/admin/")
    site.go()
    assert (done, visits) == (list(range(1, 10)), {})
