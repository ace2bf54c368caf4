"""docs/guides: each example is run, in a site that is made of the files that its page shows."""

import re
import sys
import types
from datetime import timedelta

import pytest
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.models import User
from django.template import Template
from django.test import Client

from sessionstore.models import Session
from sessionstore.users import sessions_of
from tests.docs.pages import DOCS, PAGES, ROOT, Shop, blocks, files, settings_of

GUIDES = DOCS / "guides"
PASSWORD = "correct horse"
pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    """Somebody with a password."""
    return get_user_model().objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def shop(monkeypatch, settings):
    """Make the modules of a guide; its urls, if it has any, are those of the site."""

    def shop_(name, **others):
        made = Shop(GUIDES / name, monkeypatch, **others)
        if "shop/urls.py" in files(GUIDES / name) or "urls" in others:
            settings.ROOT_URLCONF = "shop.urls"
        return made

    return shop_


def whoever(client):
    """Return the name of the user whom a browser's next request would be of."""
    request = type("Request", (), {"session": client.session})
    return get_user(request).get_username()


def test_a_form_without_the_choice_of_a_shared_computer_signs_in(shop, ann):
    """Our view with a form of the site's own."""
    made = shop("login-view.md")
    assert list(made.forms.ShopLoginForm().fields) == ["username", "password", "keep"]
    browser = Client()
    answer = browser.post("/login/", {"username": "ann", "password": PASSWORD, "keep": "on"})
    assert (answer.status_code, whoever(browser)) == (302, "ann")
    assert browser.cookies["sessionid"]["max-age"]
    browser.post("/logout/")
    assert whoever(browser) == ""


@pytest.mark.parametrize("keep", [False, True])
def test_a_view_of_ones_own_is_a_login(shop, ann, keep):
    """A new key, the cart kept, the row stamped, the cookie as long as chosen."""
    made = shop("login-view.md")
    browser = Client()
    session = browser.session
    session["cart"] = ["oat"]
    session.save()
    before = browser.cookies["sessionid"].value
    fields = {"username": "ann", "password": PASSWORD, **({"keep": "1"} if keep else {})}
    assert browser.post("/sign-in/", fields).status_code == 302
    assert browser.cookies["sessionid"].value != before
    assert bool(browser.cookies["sessionid"]["max-age"]) is keep
    assert browser.session["cart"] == ["oat"]
    row = Session.objects.for_user(ann).get()
    assert (row.authenticated_at is None, row.ip) == (False, "127.0.0.1")
    assert callable(made.views.sign_in)


def test_the_settings_behind_a_proxy_record_the_visitor(settings, client, ann):
    """Over HTTPS, under the name that no other host can set."""
    for name, value in settings_of(files(GUIDES / "proxy.md")["settings.py"]).items():
        setattr(settings, name, value)
    settings.ROOT_URLCONF = "tests.web.urls"
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": "6.6.6.6, 203.0.113.9"}
    fields = {"username": "ann", "password": PASSWORD}
    assert client.post("/account/login/", fields, headers=headers).status_code == 302
    cookie = client.cookies["__Host-sessionid"]
    assert (bool(cookie["secure"]), cookie["path"], cookie["domain"]) == (True, "/", "")
    assert Session.objects.for_user(ann).get().ip == "203.0.113.9"


HTMX_URLS = """
from django.contrib.auth.decorators import login_required
from django.urls import path
from shop.views import open_panel, unread

urlpatterns = [
    path("panel/<name>/", open_panel),
    path("unread/", unread),
    path("mine/", login_required(unread)),
]
"""


def test_fragments_keep_what_each_of_them_has_noted(shop):
    """Two that have loaded the same session."""
    made = shop("htmx.md", urls=HTMX_URLS)
    browser = Client()
    browser.get("/panel/left/")
    first, second = browser.session, browser.session
    for session, name in ((first, "top"), (second, "bottom")):
        made.views.open_panel(type("Request", (), {"session": session}), name)
    first.save()
    second.save()
    assert browser.session["panels"] == dict.fromkeys(["left", "top", "bottom"], "open")


def test_a_fragment_that_wants_a_login_leads_the_page_there(shop, settings, monkeypatch):
    """With the page that the visitor sees as `next`; other requests are redirected as ever."""
    shop("htmx.md", urls=HTMX_URLS)
    settings.LOGIN_URL = "/login/"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "shop.middleware.whole_page_to_sign_in"]
    of_htmx = {"hx-request": "true", "hx-current-url": "http://testserver/shop/?a=1"}
    answer = Client().get("/mine/", headers=of_htmx)
    assert answer.status_code == 200
    target = "/login/?next=http%3A%2F%2Ftestserver%2Fshop%2F%3Fa%3D1"
    assert answer.headers["HX-Redirect"] == target
    assert Client().get("/mine/").status_code == 302


ACCOUNT = """
from django.urls import include
urlpatterns += [path("account/", include("sessionstore.urls"))]
"""


def test_our_sign_in_page_leads_htmx_there_by_itself(shop, settings):
    """Without that middleware: the browser follows `login_required`, htmx's headers with it."""
    settings.LOGIN_URL = "/account/login/"
    shop("htmx.md", urls=HTMX_URLS + ACCOUNT)
    of_htmx = {"hx-request": "true", "hx-current-url": "http://testserver/shop/?a=1"}
    answer = Client().get("/mine/", headers=of_htmx, follow=True)
    assert answer.headers["HX-Redirect"] == "/account/login/?next=/shop/%3Fa%3D1"


FORM_URLS = """
from django.http import HttpResponse
from django.urls import path
from shop.forms import add_note

urlpatterns = [
    path("add/", add_note),
    path("notes/", lambda request: HttpResponse(request.session["notes"]), name="notes"),
]
"""


def test_a_form_of_htmx_that_is_sent_again_leads_to_a_page(shop):
    """What the offered form sends has no header of htmx."""
    shop("htmx.md", urls=FORM_URLS)
    answer = Client().post("/add/", {"text": "milk"}, follow=True)
    assert (answer.redirect_chain, answer.content) == ([("/notes/", 302)], b"milk")


@pytest.mark.django_db(transaction=True)  # inside a block nothing is touched anyway
def test_a_question_by_itself_is_no_use_of_the_session(shop, settings, clock):
    """Half an hour of asking does not move the end on."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 3600
    shop("htmx.md", urls=HTMX_URLS)
    browser = Client()
    browser.get("/panel/left/")
    end = Session.objects.get().expires_at
    clock.advance(minutes=30)
    browser.get("/unread/")
    assert Session.objects.get().expires_at == end
    browser.get("/panel/right/")
    assert Session.objects.get().expires_at == end + timedelta(minutes=30)


TESTED_URLS = """
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.urls import path

def account(request):
    return HttpResponse(request.user.get_username())

def add(request, product):
    request.session.setdefault("cart", []).append(product)
    return HttpResponse()

urlpatterns = [
    path("", lambda request: HttpResponse(str(request.session.get("cart")))),
    path("account/", login_required(account)),
    path("cart/<product>/", add),
]
"""


def test_the_tests_that_are_shown_pass(shop, django_db_blocker):
    """By Django's runner, as a project would have them run."""
    import unittest  # noqa: PLC0415

    made = shop("testing.md", urls=TESTED_URLS)
    suite = unittest.TestLoader().loadTestsFromModule(made.tests)
    assert suite.countTestCases() == 5
    result = unittest.TestResult()
    suite.run(result)
    assert [told for _, told in (*result.errors, *result.failures)] == []


def test_the_factories_that_are_shown_make_sessions(shop, ann):
    """Of a visitor, of a user with a browser, and one that was used long ago."""
    made = shop("testing.md", urls=TESTED_URLS)
    key = made.factories.make_session(cart=["oat"]).session_key
    assert Session.objects.by_key(key).get().get_decoded() == {"cart": ["oat"]}
    browser = made.factories.sign_in(ann, browser="Mine")
    row = Session.objects.for_user(ann).get()
    assert (row.ip, row.user_agent) == ("203.0.113.9", "Mine")
    made.factories.grow_old(ann, timedelta(days=3))
    assert row.last_seen_at - Session.objects.get(pk=row.pk).last_seen_at == timedelta(days=3)
    assert whoever(browser) == "ann"
    made.factories.grow_old(ann, timedelta(days=30))
    assert not Session.objects.for_user(ann).live().exists()
    cookie = made.browser_tests.cookie_of(ann)
    other = Client()
    other.cookies[cookie["name"]] = cookie["value"]
    assert other.get("/account/").content == b"ann"


def test_what_is_under_the_seal_cannot_be_changed_in_the_table(ann):
    """As docs/guides/testing.md says of the user, the creation and the sign-in."""
    for column in ("user_id", "created_at", "authenticated_at"):
        browser = Client()
        browser.force_login(ann)
        row = Session.objects.get()
        assert whoever(browser) == "ann"
        old = getattr(row, column)
        setattr(row, column, "7" if column == "user_id" else old - timedelta(days=1))
        row.save(update_fields=[column])
        assert whoever(browser) == ""
        Session.objects.all().delete()


def test_a_session_is_found_from_each_end(ann, monkeypatch, capsys):
    """From the name, the handle and the cookie: the lines for the shell, one after the other."""
    browser = Client(headers={"user-agent": "Mine"})
    browser.force_login(ann)
    session = browser.session
    session["cart"] = ["oat"]
    session.save()
    monkeypatch.setattr("builtins.input", lambda _: browser.cookies["sessionid"].value)
    names = {}
    shown = [
        code for code in blocks(GUIDES / "debugging.md", "python") if "manage.py shell" in code
    ]
    for code in shown:
        exec(code, names)  # noqa: S102 - our own document
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{session.handle} True ")
    assert "'cart': ['oat']" in told[1]
    assert told[2:] == [str(ann.pk), "True"]


def test_a_view_is_asked_what_it_changes(rf):
    """Also inside a list."""
    [code] = [code for code in blocks(GUIDES / "debugging.md", "python") if "what_has" in code]
    names = {}
    exec(code, names)  # noqa: S102 - our own document
    request = rf.get("/")
    request.session = Client().session
    request.session.update({"cart": ["oat"], "seen": 1})
    view = lambda request: request.session["cart"].append("pear")  # noqa: E731
    assert names["what_has_changed"](request, view) == {"cart"}


@pytest.mark.parametrize(
    ("page", "source"),
    [
        pytest.param(page, source, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, source in enumerate(blocks(page, "html+django"))
    ],
)
def test_every_template_that_is_shown_compiles(page, source):
    """Tags and all."""
    assert Template(source).nodelist


def test_a_job_writes_into_a_session_and_staff_end_it(shop, ann, monkeypatch, settings):
    """The handle goes to the job, and what it writes is in the browser's next request."""
    celery = types.ModuleType("celery")
    celery.shared_task = lambda job: job
    monkeypatch.setitem(sys.modules, "celery", celery)
    made = shop("background.md")
    browser = Client()
    browser.force_login(ann)
    handle = browser.session.handle
    made.tasks.report_is_ready(handle, "/reports/7/")
    assert browser.session["reports"] == ["/reports/7/"]
    other = Client()
    other.force_login(ann)
    assert len(made.staff.signed_in_from(ann)) == 2
    request = type("Request", (), {"session": browser.session})
    assert made.staff.account_was_taken_over(ann, request) == 1
    assert made.staff.end_programs(ann) is None
    made.tasks.report_is_ready(other.cookies["sessionid"].value[:22], "/reports/8/")
    assert [one.handle for one in sessions_of(ann)] == [handle]


# The clusters of the tests, what they set beside the addresses, and what the page calls it.
SET = [
    ("replicas.py", r"--(rpl-semi-sync-[a-z-]+)=(\w+)", ""),
    ("group.py", r'"((?:member|unreachable|autorejoin)-[a-z-]+)=(\w+)"', "group_replication_"),
]


@pytest.mark.parametrize(("module", "option", "prefix"), SET)
def test_a_cluster_of_the_tests_is_set_up_as_the_page_says(module, option, prefix):
    """What was shown is shown of those settings."""
    page = (ROOT / "docs" / "scale.md").read_text()
    found = re.findall(option, (ROOT / "tests" / "harness" / module).read_text())
    assert len(found) > 2
    for name, value in found:
        assert f"\n{prefix}{name.replace('-', '_')} = {value}\n" in page, name
