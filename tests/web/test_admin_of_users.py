"""Sessions on the page of a user in the admin, and their end from there and from the list."""

import re

import pytest
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import path

from sessionstore.admin import SessionAdmin, UserSessionsMixin
from sessionstore.models import Session
from tests.web import urls as web
from tests.web.conftest import PASSWORD


class Users(UserSessionsMixin, UserAdmin):
    """As docs/pages.md shows it."""


class Plain(UserSessionsMixin, ModelAdmin):
    """An admin of users with no fieldsets of its own."""

    fields = ("username",)


site, plain = AdminSite(name="desk"), AdminSite(name="plain")
site.register(User, Users)
site.register(Session, SessionAdmin)
plain.register(User, Plain)
urlpatterns = [*web.urlpatterns, path("desk/", site.urls), path("plain-desk/", plain.urls)]
LIST = "/desk/auth/user/"


@pytest.fixture(autouse=True)
def _pages(pages, settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def desk(db) -> Client:
    """The browser of the administrator."""
    return signed_in(User.objects.create_superuser("boss", password=PASSWORD))


def signed_in(user) -> Client:
    browser = Client(headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/131.0"})
    browser.post("/account/login/", {"username": user.get_username(), "password": PASSWORD})
    return browser


def is_in(browser: Client) -> bool:
    return bool(browser.get("/plain/").content)


def act(desk: Client, *users: User, **fields: str):
    chosen = [str(one.pk) for one in users]
    data = {"action": "end_sessions", "index": "0", "_selected_action": chosen}
    return desk.post(LIST, {"confirmed": "yes", **data, **fields}, follow=True)


def test_a_user_s_page_shows_where_the_user_is_signed_in(desk, user):
    """Each session leads to its own page; those of others are not there."""
    handle = signed_in(user).session.handle
    html = desk.get(f"{LIST}{user.pk}/change/").content.decode()
    assert f'<a href="/desk/sessionstore/session/{handle}/">Firefox on Linux</a>' in html
    assert desk.session.handle not in html
    own = desk.get(f"{LIST}{User.objects.get(username='boss').pk}/change/").content.decode()
    assert "This session" in own


def test_the_page_that_adds_a_user_has_no_sessions(desk):
    """There is nobody yet; and a page without fieldsets shows them once."""
    assert "Signed in now" not in desk.get(f"{LIST}add/").content.decode()
    boss = User.objects.get(username="boss")
    html = desk.get(f"/plain-desk/auth/user/{boss.pk}/change/").content.decode()
    assert html.count("Signed in now") == 1


def test_a_user_can_be_changed_as_before(desk, user):
    """The list is read only, and saves nothing."""
    page = f"/plain-desk/auth/user/{user.pk}/change/"
    assert desk.post(page, {"username": "anna"}).status_code == 302
    assert User.objects.get(pk=user.pk).username == "anna"


def test_all_of_a_user_is_ended_once_somebody_has_said_yes(desk, user):
    """The link leads to a page that asks; the answer leads back, and why is in the history."""
    browsers = [signed_in(user), signed_in(user)]
    html = desk.get(f"{LIST}{user.pk}/change/").content.decode()
    (link,) = re.findall(r'class="button" href="([^"]*end-sessions/)"', html)
    assert "End all sessions of ann" in desk.get(link).content.decode()
    assert "End all sessions of ann" in desk.post(link).content.decode()
    assert [is_in(one) for one in browsers] == [True, True]
    done = desk.post(link, {"confirmed": "yes", "why": "left us"}, follow=True)
    assert done.redirect_chain == [(f"{LIST}{user.pk}/change/", 302)]
    assert "2 sessions were ended." in done.content.decode()
    assert [is_in(one) for one in (desk, *browsers)] == [True, False, False]
    assert "Why: left us" in desk.get(f"{LIST}{user.pk}/history/").content.decode()


def test_the_action_ends_all_of_the_chosen_users(desk, user):
    """After a page that names them; others and the one who asks stay."""
    bob = User.objects.create_user("bob", password=PASSWORD)
    browser, other = signed_in(user), signed_in(bob)
    asked = act(desk, user, confirmed="").content.decode()
    assert re.findall(r"<li>(\w+)</li>", asked) == ["ann"]
    assert is_in(browser)
    act(desk, user, User.objects.get(username="boss"), why="a leak")
    assert [is_in(one) for one in (browser, other, desk)] == [False, True, True]
    assert {one.object_repr for one in LogEntry.objects.all()} == {"ann", "boss"}


def test_a_user_that_is_gone_is_django_s_own_message(desk):
    """As on each page of the admin."""
    assert desk.get(f"{LIST}99/end-sessions/").url == "/desk/"


@pytest.mark.parametrize("permissions", [[], ["view"], ["view", "delete"]])
def test_who_may_see_and_end_depends_on_permissions_about_sessions(user, permissions):
    """To change users is not enough."""
    staff = User.objects.create_user("cleo", password=PASSWORD, is_staff=True)
    codenames = ["view_user", "change_user", *(f"{one}_session" for one in permissions)]
    apps = ("auth", "sessionstore")
    staff.user_permissions.set(
        Permission.objects.filter(codename__in=codenames, content_type__app_label__in=apps)
    )
    desk, browser = signed_in(staff), signed_in(user)
    html = desk.get(f"{LIST}{user.pk}/change/").content.decode()
    assert ("Signed in now" in html) == ("view" in permissions)
    assert ("end-sessions/" in html) == ("delete" in permissions)
    act(desk, user)
    assert is_in(browser) == ("delete" not in permissions)
    status = desk.get(f"{LIST}{user.pk}/end-sessions/").status_code
    assert status == (200 if "delete" in permissions else 403)


def test_another_engine_keeps_its_sessions_to_itself(desk, user, settings):
    """The page says so, and is no error."""
    handle = desk.session.handle
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    desk = Client()
    desk.force_login(User.objects.get(username="boss"))
    html = desk.get(f"{LIST}{user.pk}/change/").content.decode()
    assert "The sessions of this site are kept by another engine." in html
    assert handle not in html


def test_it_works_on_each_database(database, settings):
    """Sessions in another alias than the users."""
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    user = User.objects.create_user("ann", password=PASSWORD)
    desk, browser = signed_in(boss), signed_in(user)
    assert "Firefox on Linux" in desk.get(f"{LIST}{user.pk}/change/").content.decode()
    assert "1 session was ended." in act(desk, user).content.decode()
    assert not is_in(browser)
