"""The sessions of a user in the admin, where Express has the table."""

import re

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path

from sessionstore.admin import UserSessionsMixin
from tests.express import people_urls
from tests.web.conftest import PASSWORD

pytestmark = pytest.mark.only_on("sqlite", "mariadb", "postgresql")


class Users(UserSessionsMixin, UserAdmin):
    """As docs/pages.md shows it."""


site = AdminSite(name="desk")
site.register(User, Users)
urlpatterns = [*people_urls.urlpatterns, path("desk/", site.urls)]


@pytest.fixture(params=[True, False], ids=["columns", "none"])
def knows(request, database, shared_table, settings) -> bool:
    """Whether the table has columns of the user."""
    settings.ROOT_URLCONF = __name__
    postgresql = {"layout": "connect-pg-simple"} if database == "postgresql" else {}
    shared_table(users=request.param, **postgresql)
    return request.param


def signed_in(user: User) -> Client:
    browser = Client()
    browser.post("/account/login/", {"username": user.username, "password": PASSWORD})
    return browser


def test_a_users_page_shows_and_ends_what_the_table_knows(knows):
    """Without the columns it says why it shows nothing, and nothing is ended in anybody's name."""
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    ann = User.objects.create_user("ann", password=PASSWORD)
    desk, phone = signed_in(boss), signed_in(ann)
    html = desk.get(f"/desk/auth/user/{ann.pk}/change/").content.decode()
    assert len(re.findall("Unrecorded browser", html)) == int(knows)
    assert ("This site shares its sessions with another application" in html) == (not knows)
    assert ("end-sessions/" in html) == knows
    end = f"/desk/auth/user/{ann.pk}/end-sessions/"
    assert "ann" in desk.get(end).content.decode()
    answer = desk.post(end, {"confirmed": "yes"}, follow=True)
    assert answer.status_code == 200
    is_in = phone.get("/account/devices/").status_code == 200
    assert (is_in, desk.get("/desk/").status_code) == (not knows, 200)
    action = {"action": "end_sessions", "_selected_action": [ann.pk], "confirmed": "yes"}
    assert desk.post("/desk/auth/user/", action, follow=True).status_code == 200
