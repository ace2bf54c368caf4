"""A database that is not there: 503, and nobody is signed out, wherever the error comes up."""

import pytest
from django.db import connections

from tests.faults.injection import ALWAYS, TRANSIENT, first_statements_fail
from tests.faults.sites import STOCK, ask, browser, key_of


@pytest.fixture
def down(database):
    """A function that lets every statement on the session table fail."""
    code = TRANSIENT[connections[database].vendor][0]
    return lambda: first_statements_fail(database, code, ALWAYS)


def is_untouched(client, key, response) -> bool:
    """Tell whether the answer left the cookie alone and the session is still there."""
    return not response.cookies and key_of(client) == key and value_of(client) == "old"


def value_of(client):
    """What the session holds, as the next request sees it."""
    return client.get("/read/").json()["value"]


@pytest.mark.parametrize("page", ["read", "write"])
def test_async_views_answer_503_too(database, site, signed_in, down, page):
    """Under ASGI, with the async names of the session."""
    client = signed_in()
    key = key_of(client)
    with down() as injection:
        response = ask(client, "ASGI", f"/async/{page}/")
    assert injection.fired
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert is_untouched(client, key, response)


@pytest.mark.parametrize("server", ["WSGI", "ASGI"])
def test_an_error_in_another_middleware_is_a_503(database, site, signed_in, down, settings, server):
    """CSRF_USE_SESSIONS reads the session before any view does, and again for the error page."""
    key = key_of(signed_in())
    settings.CSRF_USE_SESSIONS = True
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]
    client = browser(key=key)
    with down() as injection:
        response = ask(client, server, "/read/")
    assert injection.fired
    assert response.status_code == 503
    assert is_untouched(client, key, response)


@pytest.mark.parametrize("page", ["read", "write", "cycle", "logout"])
def test_under_djangos_middleware_it_is_an_ordinary_error(
    database, site, signed_in, down, settings, page
):
    """500 and never 400, which would say that the session was deleted."""
    key = key_of(signed_in())
    settings.MIDDLEWARE = [STOCK.middleware, *settings.MIDDLEWARE[1:]]
    client = browser(key=key)
    with down() as injection:
        response = client.get(f"/{page}/")
    assert injection.fired
    assert response.status_code == 500
    assert is_untouched(client, key, response)


@pytest.mark.parametrize("always", [False, True], ids=["when-changed", "every-request"])
def test_a_view_that_gets_along_without_its_session_is_left_alone(
    database, site, signed_in, down, settings, always
):
    """It catches the error and answers 200: no cookie is deleted, no row is written."""
    settings.SESSION_SAVE_EVERY_REQUEST = always
    client = signed_in()
    key = key_of(client)
    with down() as injection:
        response = client.get("/careless/")
    assert injection.fired
    assert response.status_code == 200
    assert is_untouched(client, key, response)
    assert site.rows().count() == 1
