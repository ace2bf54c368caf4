"""English and Korean: nothing is missing, nothing is a guess, and the compiled file is up to date.

Uses the gettext tools of Debian, as `makemessages` does.
"""

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.utils import translation

from tests.harness.missing import give_up
from tests.web.conftest import sign_in

ROOT = Path(__file__).parents[2]
APPS = ["sessionstore", "demo_site"]
PO = Path("locale/ko/LC_MESSAGES/django.po")
HANGUL = re.compile("[가-힣]")


@pytest.fixture(autouse=True)
def tools():
    """msgfmt, xgettext, msgattrib."""
    if shutil.which("msgfmt") is None:
        give_up("gettext is not installed: apt-get install gettext")


def run(*words, folder: Path) -> str:
    # No settings: makemessages needs none, and the folder is not ours.
    plain = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    done = subprocess.run(words, cwd=folder, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def words_of(po: Path) -> set[str]:
    """The texts to translate; that of the header is empty."""
    plain = run("msgcat", "--no-wrap", "--no-location", po, folder=po.parent)
    return set(re.findall(r'^msgid "(.+)"$', plain, re.MULTILINE))


@pytest.mark.parametrize("app", APPS)
def test_every_text_of_the_source_is_translated(app, tmp_path):
    """Collect them anew: none is missing, empty or marked as a guess, and none is left over."""
    skip = shutil.ignore_patterns("__pycache__", "*.mo")
    copy = Path(shutil.copytree(ROOT / app, tmp_path / app, ignore=skip))
    run(
        *(sys.executable, "-m", "django", "makemessages", "--locale=ko", "--no-obsolete"),
        folder=copy,
    )
    assert words_of(copy / PO) == words_of(ROOT / app / PO)
    for kind in ("--untranslated", "--only-fuzzy"):
        assert run("msgattrib", kind, "--no-obsolete", copy / PO, folder=copy) == ""


@pytest.mark.parametrize("app", APPS)
def test_the_compiled_file_is_that_of_the_source(app, tmp_path):
    """It is in the repository and in the wheel: who installs needs no gettext."""
    run("msgfmt", "--check", "-o", tmp_path / "new.mo", ROOT / app / PO, folder=tmp_path)
    catalogs = []
    for path in (tmp_path / "new.mo", (ROOT / app / PO).with_suffix(".mo")):
        with path.open("rb") as file:
            catalogs.append(gettext.GNUTranslations(file)._catalog)
    assert catalogs[0] == catalogs[1]


@pytest.mark.parametrize("app", APPS)
def test_every_translation_is_korean(app):
    """No English text was copied over."""
    with (ROOT / app / PO).with_suffix(".mo").open("rb") as file:
        catalog = gettext.GNUTranslations(file)._catalog
    names = {"%(number)s"}  # a text of nothing but a name would be no error
    units = re.compile(r"\d+ KiB")
    for source, target in catalog.items():
        if source and target not in names and not units.match(str(target)):
            assert HANGUL.search(target), source


def test_a_browser_that_asks_for_korean_gets_it(browser, user, settings):
    """The pages of the account, and the admin."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    user.is_staff = user.is_superuser = True
    user.save()
    korean = {"headers": {"accept-language": "ko"}}
    assert "로그인 상태 유지" in browser.get("/account/login/", **korean).content.decode()
    sign_in(browser, user)
    assert "내 기기" in browser.get("/account/devices/", **korean).content.decode()
    admin = "/admin/sessionstore/session/"
    assert "선택한 세션 종료" in browser.get(admin, **korean).content.decode()
    assert "세션 통계" in browser.get(f"{admin}statistics/", **korean).content.decode()
    with translation.override("en"):
        assert "Your devices" in browser.get("/account/devices/").content.decode()
