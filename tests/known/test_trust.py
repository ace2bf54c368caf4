"""A site that skips a second factor trusts a browser, for one user, for a time."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from sessionstore.models import KnownDevice
from tests.known.conftest import again, rows, token_of
from tests.web.conftest import PASSWORD, sign_in

pytestmark = pytest.mark.only_on("sqlite")


def is_trusted(browser: Client, name: str = "ann") -> bool:
    """Ask as a login page would, before anybody has signed in."""
    return browser.get(f"/asks/?user={name}").json()[1]


def trust(browser: Client, days: int = 30) -> bool:
    """Say that the second factor was given."""
    return browser.get(f"/trusts/?days={days}").json()["trusted"]


@pytest.fixture
def trusted(browser, user) -> Client:
    """A browser that is trusted."""
    sign_in(browser, user)
    assert trust(browser) is True
    return browser


def test_trust_lasts_as_long_as_it_was_given(trusted, user, clock):
    """It outlives sign-ins, which give the browser another token."""
    clock.advance(days=10)
    again(trusted, user)
    assert is_trusted(trusted)
    clock.advance(days=19, hours=23)
    assert is_trusted(trusted)
    clock.advance(hours=2)
    assert not is_trusted(trusted)


def test_trust_may_be_given_in_the_request_of_the_sign_in(browser, user):
    """For a known browser as for a new one."""
    browser.get("/signs-in/?wants=trust")
    assert is_trusted(browser)
    trust(browser, 0)
    assert not is_trusted(browser)
    browser.get("/signs-in/?wants=trust")
    assert is_trusted(browser)


@pytest.mark.parametrize("how", ["save", "update", "unusable"])
def test_no_trust_outlives_the_password(trusted, user, how):
    """However it was changed, also where no signal tells."""
    user.set_unusable_password() if how == "unusable" else user.set_password("another one")
    if how == "update":
        get_user_model().objects.filter(pk=user.pk).update(password=user.password)
    else:
        user.save()
    assert trusted.get("/asks/").json() == [True, False]


def test_trust_is_of_one_user(trusted, user):
    """Another one of the same browser has given no second factor."""
    bob = get_user_model().objects.create_user("bob", password=PASSWORD)
    again(trusted, bob)
    assert [is_trusted(trusted, name) for name in ("ann", "bob")] == [True, False]
    assert is_trusted(trusted)


def test_a_session_that_was_not_signed_in_to_here_trusts_nothing(browser, user, another):
    """A session without a cookie of a device, and a cookie beside a stolen session."""
    sign_in(browser, user)
    stolen = Client()
    stolen.cookies["sessionid"] = browser.cookies["sessionid"].value
    assert trust(stolen) is False
    sign_in(another, user)
    stolen.cookies["known_device"] = token_of(another)
    assert trust(stolen) is False
    assert not is_trusted(stolen)


@pytest.mark.parametrize(
    "change",
    [
        {"trusted_until": 2**42},
        {"user_id": "2"},
        {"seal": b"x" * 16},
    ],
)
def test_whoever_writes_the_table_makes_no_trust(trusted, change):
    """The end is sealed, to the row, the user and the password."""
    KnownDevice.objects.update(**change)
    assert not is_trusted(trusted)


def test_no_seal_of_another_row_is_worth_anything(trusted, another, user):
    """Copied with its end."""
    sign_in(another, user)
    [new, old] = rows()
    KnownDevice.objects.filter(pk=new.pk).update(seal=old.seal, trusted_until=old.trusted_until)
    assert (is_trusted(another), is_trusted(trusted)) == (False, True)


def test_an_impersonation_makes_and_trusts_no_device(browser, user, settings):
    """Neither one that signs the other user in, nor one that puts a user on the request."""
    admin = get_user_model().objects.create_superuser("root", password=PASSWORD)
    sign_in(browser, admin)
    assert browser.get("/signs-in/?user=ann&wants=trust").content == b"signed in, False"
    assert browser.get("/plain/").content == b"ann"
    assert [row.user_id for row in rows()] == [str(admin.pk)]
    assert trust(browser) is False
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.known.urls.acts_as_ann"]
    another = Client()
    sign_in(another, admin)
    assert another.get("/plain/").content == b"ann"
    assert trust(another) is False
    assert not is_trusted(another)


def test_a_visitor_and_another_engine_trust_nothing(browser, user, settings):
    """And under Django's middleware no browser is known."""
    assert trust(browser) is False
    settings.MIDDLEWARE = [
        path.replace("sessionstore.middleware", "django.contrib.sessions.middleware")
        for path in settings.MIDDLEWARE
    ]
    under_django = Client()
    sign_in(under_django, user)
    assert (trust(under_django), rows(), token_of(under_django)) == (False, [], "")
