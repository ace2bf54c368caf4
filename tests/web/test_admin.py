"""Sessions in the admin: looked at, searched, ended; and the statistics page."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.html import escape

from sessionstore.admin.users import ids_named, names_of
from sessionstore.backends.sql import SessionStore
from sessionstore.models import Session
from sessionstore.table import statistics
from tests.harness.statements import record_statements
from tests.web.accounts.models import TextUser
from tests.web.conftest import PASSWORD, key_of

LIST = "/admin/sessionstore/session/"
STATISTICS = f"{LIST}statistics/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"


@pytest.fixture
def boss(db) -> User:
    return User.objects.create_superuser("boss", password=PASSWORD)


@pytest.fixture
def desk(boss) -> Client:
    """The browser of the administrator."""
    return signed_in(boss)


def signed_in(user, agent: str = FIREFOX) -> Client:
    browser = Client(headers={"user-agent": agent})
    browser.post("/account/login/", {"username": user.get_username(), "password": PASSWORD})
    return browser


def handle_of(browser: Client) -> str:
    return browser.session.handle


def page(desk: Client, query: str = "") -> str:
    response = desk.get(f"{LIST}{query}")
    assert response.status_code == 200, response
    return response.content.decode()


def handles(html: str) -> set[str]:
    """The sessions of the list, as their checkboxes name them."""
    return set(re.findall(r'name="_selected_action" value="([^"]+)"', html))


def act(desk: Client, action: str, *chosen: str, **fields: str):
    """Choose an action and answer yes to the page that asks."""
    data = {"action": action, "index": "0", "select_across": "0", "_selected_action": chosen}
    return desk.post(LIST, {"confirmed": "yes", **data, **fields}, follow=True)


def is_in(browser: Client) -> bool:
    return bool(browser.get("/plain/").content)


def test_the_list_tells_who_is_signed_in_where(desk, user):
    """Device, user, address, last use, state: five columns, so that a small screen has room."""
    browser = signed_in(user)
    html = page(desk)
    assert handles(html) == {handle_of(desk), handle_of(browser)}
    for word in ("ann", "Firefox on Linux", "127.0.0.1", "live", "<time datetime="):
        assert word in html
    assert re.findall(r'scope="col" class="[^"]*column-(\w+)', html) == [
        *("device", "user", "address", "last_seen", "state")
    ]


def test_a_row_has_a_page_with_all_the_rest(desk, user):
    """Times, size, name, what the browser says; the owner's own page in the admin is a link."""
    handle = handle_of(signed_in(user))
    Session.objects.by_handle(handle).update(device_name="the till", user_agent="Firefox\x1b[31m")
    html = desk.get(f"{LIST}{handle}/").content.decode()
    assert f'href="{LIST}{handle}/"' in page(desk)
    for word in (handle, "the till", "up to 1 KiB", "Firefox?[31m", "Expires", "Created"):
        assert word in html
    assert f'<a href="/admin/auth/user/{user.pk}/change/">ann</a>' in html
    assert "End this session" in html
    assert "End this session" not in desk.get(f"{LIST}{handle_of(desk)}/").content.decode()


def test_a_row_tells_who_knows_the_session_by_a_name(desk, user):
    """Which provider that is, and never the name."""
    session = signed_in(user).session
    session.link("https://id.example", "a-name-of-theirs")
    session.save()
    html = desk.get(f"{LIST}{session.handle}/").content.decode()
    assert "Linked to" in html
    assert ("https://id.example" in html, "a-name-of-theirs" in html) == (True, False)


@pytest.mark.parametrize(
    ("timeouts", "days", "why"),
    [
        ({"SESSION_COOKIE_AGE": 86400}, 1, "expired"),
        ({"SESSIONSTORE_IDLE_TIMEOUT": 3600}, 1, "expired: not used"),
        ({"SESSIONSTORE_ABSOLUTE_TIMEOUT": 3600}, 1, "expired: longest time reached"),
    ],
)
def test_a_session_that_has_run_out_says_why(desk, user, clock, settings, timeouts, days, why):
    """In the list and on its page, until it is cleaned up."""
    for name, value in timeouts.items():
        setattr(settings, name, value)
    handle = handle_of(signed_in(user))
    clock.advance(days=days)
    desk.force_login(User.objects.get(username="boss"))
    shown = re.findall(r'"field-state">(.*?)</td>', page(desk, f"?q={handle}"))
    assert shown == [why]
    assert f"<dd>{why}</dd>" in desk.get(f"{LIST}{handle}/").content.decode()


def test_the_search_field_has_a_label(desk):
    """In words, not a picture; and a search keeps the filters."""
    html = page(desk, "?q=ann&state=live")
    assert '<label for="searchbar">User or session</label>' in html
    assert '<input type="hidden" name="state" value="live">' in html
    assert html.count('name="q"') == 1


@pytest.mark.parametrize(
    "address",
    [
        *("?bytes__gt=100", "?bytes=274", "?size__gt=100", "?data__length__gt=100"),
        *("?user_id__exact=x&bytes__lte=300", "?nothing__gt=1"),
    ],
)
def test_no_address_asks_for_a_size(desk, address):
    """Who sees sizes, and has somebody's browser send requests, could measure contents."""
    answer = desk.get(LIST + address)
    assert answer.status_code in (302, 400)
    assert answer.headers.get("Location", "?e=1").endswith("?e=1")


@pytest.mark.parametrize("column", range(1, 6))
def test_no_order_tells_sizes(desk, column):
    """The list is in no order of exact sizes, whichever column it is sorted by."""
    with record_statements() as seen:
        desk.get(f"{LIST}?o={column}")
    ordered = [one.partition("ORDER BY")[2] for one in seen.about("sessionstore_session")]
    assert any(ordered)
    # By its name, by the function, or by its place in the list of columns.
    assert not [one for one in ordered if re.search(r"bytes|length|^ \d", one, re.IGNORECASE)]


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "256 bytes"), (257, "1 KiB"), (1024, "1 KiB"), (1025, "4 KiB"), (9000, "16 KiB")],
)
def test_sizes_are_shown_in_a_few_steps(desk, user, size, shown):
    """Coarse enough to tell nothing, fine enough to find what grows."""
    handle = handle_of(signed_in(user))
    Session.objects.by_handle(handle).update(data=b"x" * size)
    html = desk.get(f"{LIST}{handle}/").content.decode()
    assert re.findall(r"<dd>(up to .*?)</dd>", html) == [f"up to {shown}"]


def test_neither_key_nor_digest_nor_contents_are_on_the_page(desk, user):
    """The list prints handles, and nothing that a cookie is found by (CVE-2020-5224)."""
    browser = signed_in(user)
    session = browser.session
    session["secret"] = "nobody-may-read-this"
    session.save()
    html = page(desk) + desk.get(STATISTICS).content.decode()
    html += desk.get(f"{LIST}{browser.session.handle}/").content.decode()
    browser.session.cycle_key()
    html += page(desk)
    rows = Session.objects.values_list("digest", "previous_digest")
    for digest in [bytes(one) for row in rows for one in row if one is not None]:
        for secret in (digest.hex(), str(digest), escape(str(digest))):
            assert secret not in html
    for secret in (key_of(browser), key_of(desk), "nobody-may-read-this"):
        assert secret not in html


@pytest.mark.parametrize("term", ["ann", "AN", "{pk}", "{handle}"])
def test_a_session_is_found_by_its_user_and_by_its_handle(desk, user, term):
    """Name, a part of it, id, handle."""
    wanted = handle_of(signed_in(user))
    term = term.format(pk=user.pk, handle=wanted)
    assert handles(page(desk, f"?q={term}")) == {wanted}


def test_a_search_that_finds_nothing_is_no_error(desk):
    """Nor are words that look like SQL or like digests."""
    for term in ("nobody", "'; DROP TABLE x", "\\x00", "x" * 500):
        assert handles(page(desk, f"?q={term}")) == set()


def test_filters(desk, user, clock):
    """By state, by last use, by who it is."""
    SessionStore().create()
    anonymous = Session.objects.get(user_id=None).handle
    clock.advance(days=2)
    assert handles(page(desk, "?seen=week&who=visitors")) == {anonymous}
    assert anonymous not in handles(page(desk, "?seen=day"))
    clock.advance(days=13)
    desk.force_login(User.objects.get(username="boss"))
    assert handles(page(desk, "?state=live")) == {handle_of(desk)}
    assert anonymous in handles(page(desk, "?state=expired"))
    assert anonymous in handles(page(desk, "?seen=older"))
    assert anonymous not in handles(page(desk, "?who=users"))


def test_longer_ago_begins_where_the_last_week_ends(desk, clock):
    """Each session is in one of the two, none in both."""
    made = []
    for _ in range(2):
        SessionStore().create()
        made.append(Session.objects.get(user_id=None, last_seen_at=clock.now).handle)
        clock.advance(days=6)
    older, recent = made
    desk.force_login(User.objects.get(username="boss"))
    assert handles(page(desk, "?seen=older&who=visitors")) == {older}
    assert handles(page(desk, "?seen=week&who=visitors")) == {recent}


@pytest.mark.parametrize(
    "name",
    ["digest__startswith", "previous_digest__gte", "data__contains", "device_key", "pk__gte"],
)
def test_digests_and_contents_cannot_be_asked_for(desk, name):
    """Else an address would tell them, letter by letter."""
    assert desk.get(f"{LIST}?{name}=a").status_code == 400


def test_selected_sessions_are_ended(desk, user):
    """And only those."""
    first, second = signed_in(user), signed_in(user)
    response = act(desk, "end_selected", handle_of(first))
    assert "1 session was ended." in response.content.decode()
    assert (is_in(first), is_in(second), is_in(desk)) == (False, True, True)


def answered(desk: Client, html: str, **fields: str):
    """Answer yes to a page that asks, as its form sends it."""
    form = html[html.index('name="csrfmiddlewaretoken"') :]
    sent = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', form)
    return desk.post(LIST, {**dict(sent), **fields}, follow=True)


@pytest.mark.parametrize("action", ["end_selected", "end_all_of_users"])
def test_nothing_is_ended_before_somebody_has_said_yes(desk, user, action):
    """The page names who is meant, and the answer ends these and no others."""
    bob = User.objects.create_user("bob", password=PASSWORD)
    browser, other = signed_in(user), signed_in(bob)
    html = act(desk, action, handle_of(browser), confirmed="").content.decode()
    assert re.findall(r"<li>(ann|bob)", html) == ["ann"]
    assert is_in(browser)
    assert "1 session was ended." in answered(desk, html).content.decode()
    assert (is_in(browser), is_in(other)) == (False, True)


def test_why_it_was_ended_stands_in_the_history_of_the_user(desk, user):
    """What the administrator says, on the page that the admin has of each user's history."""
    browser = signed_in(user)
    act(desk, "end_selected", handle_of(browser), why="laptop\nlost\x1b <b>")
    html = desk.get(f"/admin/auth/user/{user.pk}/history/").content.decode()
    told = "Sessions were ended: Firefox on Linux. Ended by an administrator. Why: laptop lost? <b>"
    assert escape(told) in html
    assert LogEntry.objects.get().object_id == str(user.pk)


def test_the_end_of_visitors_is_in_the_history_too(desk):
    """In that of the administrator, for they have none."""
    visitors = [SessionStore(), SessionStore()]
    for visitor in visitors:
        visitor.create()
    act(desk, "end_selected", *(one.handle for one in visitors), why="a robot")
    told = "2 sessions were ended. Ended by an administrator. Why: a robot"
    assert LogEntry.objects.get().change_message == told


def test_all_sessions_of_a_user_are_ended(desk, user):
    """One row stands for all of its user."""
    browsers = [signed_in(user) for _ in range(3)]
    act(desk, "end_all_of_users", handle_of(browsers[0]))
    assert [is_in(one) for one in browsers] == [False] * 3
    assert is_in(desk)


def test_ending_all_of_a_user_spares_the_session_that_asks(desk, boss):
    """The own account is chosen: the other browsers go, this one stays."""
    elsewhere = signed_in(boss)
    act(desk, "end_all_of_users", handle_of(elsewhere))
    assert (is_in(desk), is_in(elsewhere)) == (True, False)


def test_ending_all_of_a_user_spares_the_visitors(desk, user, caplog):
    """A row without a user stands for nobody: no such row is ended, or said to be."""
    browser, visitors = signed_in(user), [SessionStore(), SessionStore()]
    for visitor in visitors:
        visitor.create()
    with caplog.at_level("INFO", "sessionstore.security"):
        act(desk, "end_all_of_users", visitors[0].handle, handle_of(browser))
    assert not is_in(browser)
    assert [one.exists(one.session_key) for one in visitors] == [True, True]
    assert sum(text.startswith("Session revoked:") for text in caplog.messages) == 1


def test_across_all_pages_and_the_own_session_stays(desk, user):
    """Whoever ends all would else end in an error page."""
    browsers = [signed_in(user) for _ in range(3)]
    act(desk, "end_selected", handle_of(desk), select_across="1")
    assert [is_in(one) for one in browsers] == [False] * 3
    assert is_in(desk)
    assert "0 sessions were ended." in act(desk, "end_selected", handle_of(desk)).content.decode()


def test_a_session_that_has_ended_meanwhile_is_no_error(desk, user):
    """Somebody else was faster."""
    gone = handle_of(signed_in(user))
    Session.objects.by_handle(gone).delete()
    response = act(desk, "end_selected", gone)
    assert "0 sessions were ended." in response.content.decode()
    for forged in ("x", "0" * 16, "\x00"):
        assert act(desk, "end_selected", forged).status_code == 200


def test_nothing_chosen_ends_nothing(desk, user):
    """Django's own words."""
    browser = signed_in(user)
    assert "Items must be selected" in act(desk, "end_selected").content.decode()
    assert is_in(browser)


@pytest.mark.parametrize("action", ["end_selected", "end_all_of_users"])
@pytest.mark.parametrize("permissions", [[], ["view"], ["view", "delete"]])
def test_what_one_sees_and_may_do_depends_on_permissions(user, permissions, action):
    """Look with one, end with the other; staff alone may neither."""
    user.is_staff = True
    user.save()
    for name in permissions:
        user.user_permissions.add(
            Permission.objects.get(
                codename=f"{name}_session", content_type__app_label="sessionstore"
            )
        )
    desk = signed_in(user)
    other = signed_in(User.objects.create_user("bob", password=PASSWORD))
    assert desk.get(LIST).status_code == (200 if permissions else 403)
    assert desk.get(STATISTICS).status_code == (200 if permissions else 403)
    own = desk.get(f"{LIST}{handle_of(other)}/")
    assert own.status_code == (200 if permissions else 403)
    assert ("End this session" in own.content.decode()) == ("delete" in permissions)
    act(desk, action, handle_of(other))
    assert is_in(other) == ("delete" not in permissions)


@pytest.mark.parametrize("address", ["1/change/", "1/delete/", "1/history/", "{handle}/change/"])
def test_a_row_can_be_looked_at_and_no_more(desk, address):
    """Django's pages that change a row are not there."""
    assert desk.get(LIST + address.format(handle=handle_of(desk))).status_code == 404


@pytest.mark.parametrize("handle", ["add", "abc", "x" * 22, "a%00b"])
def test_a_session_that_is_gone_leads_back_to_the_list(desk, handle):
    """Ended since the list was drawn, or never there."""
    answer = desk.get(f"{LIST}{handle}/", follow=True)
    assert answer.redirect_chain == [(LIST, 302)]
    assert "There is no such session (any more)." in answer.content.decode()


def test_strangers_are_sent_to_sign_in(db):
    """As everywhere in the admin."""
    for address in (LIST, STATISTICS):
        assert "/admin/login/" in Client().get(address).url


def test_the_number_of_queries_does_not_grow_with_the_rows(desk, user):
    """No SQL per row."""
    counts = []
    for _ in range(2):
        for number in range(5):
            signed_in(User.objects.create_user(f"u{len(counts)}{number}", password=PASSWORD))
        with record_statements() as seen:
            page(desk)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 8


def test_contents_are_not_even_read(desk, user):
    """The column stays in the database."""
    signed_in(user)
    with record_statements() as seen:
        page(desk)
        desk.get(f"{LIST}{handle_of(desk)}/")
    own = re.escape('"sessionstore_session"."data"')
    read = [sql for sql in seen.about("sessionstore_session") if re.search(f"(?<!\\(){own}", sql)]
    assert read == []


def test_users_that_are_gone_or_of_another_kind_do_not_break_the_list(desk, settings):
    """The table holds whatever user keys it was given."""
    session = SessionStore()
    session["_auth_user_id"] = "no-number\x1b<b>"
    session.save()
    assert escape("no-number\x1b<b>") in page(desk)
    assert handles(page(desk, "?q=no-number%1b<b>")) == {session.handle}


def test_the_pages_are_clean_under_a_strict_policy(desk, user):
    """`default-src 'self'`: no inline style, no inline script, nothing from elsewhere."""
    signed_in(user)
    pages = [desk.get(f"{LIST}{one}") for one in ("", "statistics/", f"{handle_of(desk)}/")]
    asks = act(desk, "end_selected", handle_of(signed_in(user)), confirmed="")
    for html in (one.content.decode() for one in (*pages, asks)):
        assert not re.search(
            r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", html
        )
        assert not re.search(r'(?:src|href)="(?:https?:)?//', html)


def test_the_own_session_tells_how_one_has_signed_in(desk, user):
    """Its data have been read; of the others only their times are told."""
    own = desk.get(f"{LIST}{desk.session.handle}/").content.decode()
    assert "Signed in with" in own
    assert "Password" in own
    other = desk.get(f"{LIST}{handle_of(signed_in(user))}/").content.decode()
    assert "Signed in with" not in other


def test_the_statistics_page_draws_what_there_is(desk, user, clock):
    """Live ones by age and by last use, expired ones, sizes, browsers."""
    SessionStore().create()
    clock.advance(days=14, hours=23)
    desk.force_login(User.objects.get(username="boss"))
    signed_in(user)
    html = desk.get(STATISTICS).content.decode()
    drawn = re.findall(r'id="chart-(\w+)".*?<svg[^>]* aria-label="([^"]*)"', html, re.DOTALL)
    words = dict(drawn)
    assert list(words) == ["age", "activity", "expired", "size", "browser"]
    assert words["age"].startswith("up to 5 minutes: 2, up to an hour: 0")
    assert "up to a day: 2" in words["expired"]
    assert "up to 256 bytes" in words["size"]
    assert "Firefox: 1" in words["browser"]
    assert "Every session was counted." in html


def test_the_statistics_of_an_empty_table(desk):
    """Nothing is drawn where nothing is."""
    Session.objects.all().delete()
    desk.force_login(User.objects.get(username="boss"))
    assert desk.get(STATISTICS).status_code == 200


def test_the_statistics_of_a_huge_table_are_estimated(desk, monkeypatch):
    """The page reads a sample, and says so."""
    monkeypatch.setattr(statistics, "SAMPLE", 10)
    for _ in range(30):
        SessionStore().create()
    html = desk.get(STATISTICS).content.decode()
    assert "Estimated from 10 sessions chosen at random." in html
    assert "about" in html


def test_users_with_keys_of_text_are_named_too(db, settings):
    """Names come from the user model of the site."""
    settings.AUTH_USER_MODEL = "accounts.TextUser"
    TextUser.objects.create_user("zoe", PASSWORD, id="a/b?c")
    assert names_of({"a/b?c"}) == {"a/b?c": "zoe"}
    assert ids_named("zo") == ["a/b?c"]


def test_it_works_on_each_database(database, settings):
    """Digests are bytes of another kind on each; the table may have an alias of its own."""
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    user = User.objects.create_user("ann", password=PASSWORD)
    desk, browsers = signed_in(boss), [signed_in(user) for _ in range(3)]
    wanted = handle_of(browsers[0])
    assert handles(page(desk, "?q=ann")) == {handle_of(one) for one in browsers}
    assert handles(page(desk, f"?q={wanted}&state=live&seen=hour&who=users")) == {wanted}
    assert "Firefox: 4" in desk.get(STATISTICS).content.decode()
    act(desk, "end_selected", wanted)
    assert [is_in(one) for one in browsers] == [False, True, True]
    act(desk, "end_all_of_users", handle_of(browsers[1]))
    assert [is_in(one) for one in (desk, *browsers)] == [True, False, False, False]
    assert Session.objects.using(database).count() == 1


@pytest.mark.parametrize("user_id", ["99999999999999999999", "zoe"])
def test_a_key_that_no_user_can_have_has_no_name(user, user_id):
    """Left over from another type of user, or too large a number for the database."""
    assert names_of({user_id, str(user.pk)}) == {str(user.pk): "ann"}
