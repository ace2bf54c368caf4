"""What docs/extending.md says of models that refer to a session: a project made of its examples."""

import re
from pathlib import Path

import pytest

from tests.harness.projects import run_python

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
_, HEADING, SECTION = PAGE.partition("\n## Models that refer to a session\n")
SETTINGS = """
SECRET_KEY = "only for this test" * 4
INSTALLED_APPS = [
    "sessionstore", "django.contrib.auth", "django.contrib.contenttypes", "shop",
]
MIDDLEWARE = [
    "sessionstore.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "shop.urls"
ALLOWED_HOSTS = ["testserver"]
"""
URLS = """
from django.contrib.auth import logout
from django.http import HttpResponse
from django.urls import path
from shop.views import put_into_cart

def sign_out(request):
    logout(request)
    return HttpResponse()

urlpatterns = [path("cart/<product>/", put_into_cart), path("logout/", sign_out)]
"""
PROTECTED = """

class Evidence(models.Model):
    session = models.ForeignKey("sessionstore.Session", on_delete=models.PROTECT)
"""
DANGLING = """

class Note(models.Model):
    session = models.ForeignKey("sessionstore.Session", on_delete=models.DO_NOTHING)
"""
START = """
import django
django.setup()
from importlib import import_module
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from sessionstore.models import Session
from shop import models
call_command("makemigrations", "shop", verbosity=0)
call_command("migrate", verbosity=0)

def in_cart(session):
    return list(session.cartline_set.order_by("pk").values_list("product", flat=True))

def found(key):
    return dict(import_module(settings.SESSION_ENGINE).SessionStore(key).items())

browser = Client()
browser.get("/cart/oat/")
row = Session.objects.get()
assert in_cart(row) == ["oat"]
key = browser.cookies["sessionid"].value
browser.force_login(User.objects.create_user("ann"))
assert browser.cookies["sessionid"].value != key
browser.get("/cart/lemon/")
row = Session.objects.get(pk=row.pk)
assert (in_cart(row), row.handle, row.user_id) == (["oat", "lemon"], browser.session.handle, "1")
order = models.Order.objects.create(session=row, product="oat")
"""
ENDS = """
# A logout, a revocation and a clean-up end what refers to the session as on_delete says.
browser.get("/logout/")
order.refresh_from_db()
assert (order.session, models.CartLine.objects.count(), Session.objects.count()) == (None, 0, 0)
for end in (["revokesessions", "--all", "--no-input"], ["clearsessions"]):
    browser = Client()
    browser.get("/cart/oat/")
    if end == ["clearsessions"]:
        Session.objects.update(expires_at=1)
    call_command(*end)
    assert (models.CartLine.objects.count(), Session.objects.count()) == (0, 0)
"""
STAYS = """
# What is protected ends, and stays until nothing protects it.
evidence = models.Evidence.objects.create(session=row)
key = browser.cookies["sessionid"].value
late = import_module(settings.SESSION_ENGINE).SessionStore(key)
assert late["_auth_user_id"] == "1"
browser.get("/logout/")
assert found(key) == {}
row.refresh_from_db()
assert (bytes(row.data), row.is_live, row.user_id) == (b"", False, "1")
from django.db import connection
from django.test.utils import CaptureQueriesContext
with CaptureQueriesContext(connection) as seen:
    late.delete()
assert len(seen) < 20, len(seen)
for _ in range(2):
    Session.objects.filter(expires_at__lte=row.expires_at).update(expires_at=1)
    call_command("revokesessions", "--all", "--no-input")
    call_command("clearsessions")
    if evidence is not None:
        assert Session.objects.count() == 1
        evidence = evidence.delete() and None
assert Session.objects.count() == 0
"""
REFUSED = """
# The database keeps its own promise.
models.Note.objects.create(session=row)
browser.raise_request_exception = False
assert browser.get("/logout/").status_code == 500
assert Session.objects.get().pk == row.pk
"""


@pytest.mark.parametrize("engine", ["sql", "cached_sql"])
@pytest.mark.parametrize(
    ("models", "script"),
    [("", START + ENDS), (PROTECTED, START + STAYS), (DANGLING, START + REFUSED)],
    ids=["ends", "stays", "refused"],
)
def test_a_model_may_refer_to_a_session(tmp_path, engine, models, script):
    """As printed: a cart that follows the visitor through the login and ends with the session."""
    assert HEADING
    blocks = re.findall(r"```python\n# shop/(\w+\.py)\n(.*?)```", SECTION, re.DOTALL)
    (tmp_path / "shop").mkdir()
    for name, text in [("__init__.py", ""), ("urls.py", URLS), *blocks]:
        (tmp_path / "shop" / name).write_text(text + (models if name == "models.py" else ""))
    (tmp_path / "settings.py").write_text(
        f'{SETTINGS}SESSION_ENGINE = "sessionstore.backends.{engine}"\n'
    )
    (tmp_path / "use.py").write_text(script)
    code, told = run_python(tmp_path, "-W", "error", "use.py")
    assert code == 0, told
