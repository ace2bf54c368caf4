"""A site with types: the examples of docs/typing.md, and mistakes that a checker has to find."""

import re
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "typing.md").read_text()
PACKAGES = Path(sysconfig.get_path("purelib"))
RUNTIME = ("django", "asgiref", "sqlparse")
STUBS = ("django-stubs", "django_stubs_ext", "typing_extensions.py")
SETTINGS = """
SECRET_KEY = "only for this test"
INSTALLED_APPS = ["sessionstore", "django.contrib.auth", "django.contrib.contenttypes", "shop"]
"""
MODELS = """
from django.db import models
from sessionstore.models import AbstractSession


class ShopSession(AbstractSession):
    cart_total = models.IntegerField(null=True)
"""
RIGHT = """
from datetime import timedelta
from typing import assert_type

from django.http import JsonResponse
from django.urls import path
from django.views import View
from sessionstore.backends.base import SessionBackend, SessionRequest
from sessionstore.decorators import (
    RecentLoginRequiredMixin,
    does_not_touch,
    recent_login_required,
)
from sessionstore.users import Device, end_session, sessions_of
from shop.views import async_count, count, one_more, transfer


@recent_login_required(max_age=timedelta(minutes=5))
@does_not_touch
async def close(request: SessionRequest, account: int) -> JsonResponse:
    await request.session.areload()
    await request.session.acycle_key()
    assert_type(await request.session.atransact(one_more), int)
    return JsonResponse({"touched": assert_type(await request.session.atouch(), bool)})


class Keys(RecentLoginRequiredMixin, View):
    recent_login_max_age = timedelta(minutes=1)

    def get(self, request: SessionRequest) -> JsonResponse:
        request.session.mark_authenticated()
        session: SessionBackend = request.session
        assert_type(session.transact(lambda it: it.user_id), str | None)
        named = assert_type(type(session).by_handle("handle"), SessionBackend)
        assert_type(named.transact(one_more), int)
        assert_type(end_session("handle"), bool)
        assert_type(sessions_of(7), list[Device])
        return JsonResponse({"ends": assert_type(request.session.expires_at_ms, int | None)})


async def calls(request: SessionRequest) -> None:
    assert_type(transfer(request, account=7), JsonResponse)
    assert_type(await close(request, 7), JsonResponse)


urlpatterns = [
    path("count", count),
    path("async", async_count),
    path("transfer/<int:account>", transfer),
    path("close/<int:account>", close),
    path("keys", Keys.as_view()),
]
"""
# With django-stubs each of these lines is an error; without them some are.
WRONG = """
from sessionstore.backends.base import SessionRequest
from sessionstore.decorators import recent_login_required
from sessionstore.models import Session
from shop.views import one_more, transfer


def mistakes(request: SessionRequest) -> None:
    number: str = request.session.transact(one_more)  # wrong
    request.session.transacts(one_more)  # wrong, says django-stubs
    request.session.touch(1)  # wrong
    transfer(request)  # wrong
    transfer(request, "a")  # wrong
    recent_login_required(max_age="soon")  # wrong
    Session.objects.lives()  # wrong, says django-stubs
    Session.objects.live().alive()  # wrong, says django-stubs
    print(number)


async def more(request: SessionRequest) -> str:
    await request.session.areload(1)  # wrong
    return await request.session.atransact(one_more)  # wrong
"""


def write_site(folder: Path) -> None:
    """Write the site, its app `shop` and its settings."""
    (shop := folder / "shop").mkdir()
    written = {"__init__.py": "", "models.py": MODELS, "urls.py": RIGHT, "wrong.py": WRONG}
    shown = dict(re.findall(r"# shop/(\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
    for name, text in (written | shown).items():
        (shop / name).write_text(text)
    (folder / "settings.py").write_text(SETTINGS)
    [plain] = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    (folder / "plain.ini").write_text(plain)


def interpreter(folder: Path, *, stubs: bool) -> Path:
    """Return the Python of an environment with Django and our package, with or without stubs."""
    venv.create(folder / "venv", symlinks=True)
    [packages] = (folder / "venv").glob("lib/python*/site-packages")
    for name in (*RUNTIME, *(STUBS if stubs else ())):
        (packages / name).symlink_to(PACKAGES / name)
    (packages / "sessionstore").symlink_to(ROOT / "sessionstore")
    return folder / "venv" / "bin" / "python"


def checked(*, stubs: bool) -> list[str]:
    """Return the modules that a checker has to look at: queries are known by stubs alone."""
    modules = ["views.py", "requests.py", "urls.py", "wrong.py"]
    return [f"shop/{name}" for name in [*modules, *(["queries.py"] if stubs else [])]]


def mistakes(found: set[tuple[str, int]], *, stubs: bool) -> tuple[list[str], list[str]]:
    """Return what a checker has overlooked, and where it errs: lines of the site."""
    lines = {("shop/wrong.py", number): line for number, line in enumerate(WRONG.splitlines(), 1)}
    surely = "# wrong" if stubs else "# wrong$"
    wanted = [at for at, line in lines.items() if re.search(surely, line)]
    overlooked = [lines[at] for at in wanted if at not in found]
    errs = [f"{at[0]}:{at[1]}" for at in sorted(found) if "# wrong" not in lines.get(at, "")]
    return overlooked, errs
