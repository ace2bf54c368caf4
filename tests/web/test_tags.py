"""The template tags."""

from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from sessionstore.templatetags.sessionstore import moment
from tests.web.conftest import press, sign_in


def rendered(browser, tag: str) -> str:
    """What a page with this tag holds."""
    return browser.get("/template/", {"tag": tag}).content.decode().strip()


def test_the_logout_button_signs_out_by_post(browser, user):
    """A form with its token, on each page (ASVS 7.4.4)."""
    sign_in(browser, user)
    html = rendered(browser, '{% logout_button "Bye" css="x" next="/there/" %}')
    assert '<form method="post" action="/account/logout/"' in html
    assert 'name="csrfmiddlewaretoken"' in html
    assert '<button type="submit" class="x">Bye</button>' in html
    assert press(browser, "/account/logout/", next="/there/").url == "/there/"


def test_the_logout_button_can_lead_to_another_page(browser, user):
    """For sites that sign out with allauth."""
    sign_in(browser, user)
    assert 'action="/bye/"' in rendered(browser, '{% logout_button url="/bye/" %}')


def test_who_is_not_signed_in_sees_no_logout_button(browser, db):
    """There is nothing to end."""
    assert rendered(browser, "{% logout_button %}") == ""


def test_the_idle_warning_is_one_script_and_a_closed_dialog(browser, user):
    """Nothing inline, so that a strict policy holds."""
    sign_in(browser, user)
    html = rendered(browser, "{% idle_warning seconds=90 %}")
    assert html.count("<script") == 1
    assert '<script src="/static/sessionstore/idle.js" defer></script>' in html
    assert 'data-seconds="90"' in html
    assert 'data-status="/account/session/status/"' in html
    assert "<dialog" in html
    assert " open" not in html


def test_a_short_idle_time_is_warned_of_in_its_last_third(browser, user, settings):
    """Else the warning would stand there all the time."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 60
    sign_in(browser, user)
    assert 'data-seconds="20"' in rendered(browser, "{% idle_warning seconds=60 %}")


def test_a_visitor_gets_the_script_alone(browser, db):
    """Its page tells the other tabs that nobody is signed in any more; no SQL for that."""
    html = rendered(browser, "{% idle_warning %}")
    assert "<script" in html
    assert "<dialog" not in html


@pytest.mark.parametrize(("seconds", "words"), [(59, "Active now"), (60, "1\xa0minute ago")])
def test_what_was_less_than_a_minute_ago_is_now(seconds, words):
    """The user's page in the admin said "0 minutes ago"."""
    at = timezone.now() - timedelta(seconds=seconds)
    assert moment(at, ago=True)["active"] == (words == "Active now")
    assert f">{words}</time>" in render_to_string("sessionstore/_moment.html", moment(at, ago=True))
