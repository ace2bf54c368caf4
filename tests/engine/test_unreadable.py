"""Rows that are whole, and that this server cannot read all the same."""

import json
import zlib
from contextlib import suppress

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client

from sessionstore.conf import conf
from sessionstore.core.codec import Codec
from sessionstore.core.crypto import derive, tag
from sessionstore.exceptions import SessionTooLarge, SessionUnreadable
from sessionstore.models import Session

# From Python 3.14 on the size of the stack is the limit.
TOO_DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
PICKLED = b"\x80\x04}."
pytestmark = pytest.mark.urls("tests.web.urls")


def row_of(session):
    return Session.objects.by_key(session.session_key)


def put(session, payload: bytes) -> bytes:
    """Put a payload into a session's row, under a right seal; return the blob."""
    key, row = conf.keyring.open(session.session_key), row_of(session).get()
    blob = conf.codec.encode(payload, row._bound, key)
    row_of(session).update(data=blob)
    return blob


def later(session) -> bytes:
    """Make a row one of a later release; return the blob."""
    blob = b"\x43" + bytes(row_of(session).get().data)[1:]
    row_of(session).update(data=blob)
    caches["default"].clear()
    return blob


def is_untouched(session, blob: bytes) -> bool:
    return bytes(row_of(session).get().data) == blob


UNREADABLE = [TOO_DEEP, PICKLED, b"[]", b"null", b""]


@pytest.mark.parametrize("payload", UNREADABLE)
def test_what_the_serializer_cannot_read_is_told_and_left(store, saved, payload, caplog):
    """Not an empty session, whose next write would sign its user out."""
    blob = put(saved, payload)
    session = store(saved.session_key)
    with pytest.raises(SessionUnreadable, match="SESSION_SERIALIZER"):
        session.load()
    with suppress(SessionUnreadable):
        session["b"] = 2
    with pytest.raises(SessionUnreadable):
        session.save()
    assert is_untouched(saved, blob)
    assert session.session_key == saved.session_key
    assert caplog.messages[0].startswith(f"Session unreadable: handle={saved.handle} reason=SES")


@pytest.mark.parametrize("header", [0x03, 0x0F, 0x83])
def test_the_format_of_a_later_release_is_told_and_left(store, saved, header):
    """While servers are being replaced, the older ones meet what the newer ones write."""
    blob = bytes([header]) + bytes(row_of(saved).get().data)[1:]
    row_of(saved).update(data=blob)
    with pytest.raises(SessionUnreadable, match=f"format, {header & 0x7F}, is that of a later"):
        store(saved.session_key).load()
    assert is_untouched(saved, blob)


@pytest.mark.parametrize("header", [0x00, 0x10, 0x7F, 0xFF])
def test_a_first_byte_that_is_none_of_ours_is_damage(store, saved, header):
    """So the visitor goes on, with an empty session."""
    row_of(saved).update(data=bytes([header]) + b"x" * 60)
    assert store(saved.session_key).load() == {}


def test_a_save_does_not_write_over_what_it_cannot_read(store, saved):
    """A newer server has written the row since this request loaded it."""
    session = store(saved.session_key)
    session["b"] = 2
    blob = later(saved)
    row_of(saved).update(version=7)
    with pytest.raises(SessionUnreadable):
        session.save()
    with pytest.raises(SessionUnreadable):
        store(saved.session_key).transact(lambda one: one.update(c=3))
    assert is_untouched(saved, blob)


def test_data_put_in_without_loading_do_not_replace_what_cannot_be_read(store, saved):
    """As clear() does in an async view."""
    session, blob = store(saved.session_key), later(saved)
    session._session_cache = {"b": 2}
    with pytest.raises(SessionUnreadable):
        session.save()
    assert is_untouched(saved, blob)


# --- pages


@pytest.fixture
def ann(store, database, settings):
    """The browser of somebody who has signed in, and the session."""
    settings.SESSION_ENGINE = store.__module__
    browser = Client(raise_request_exception=False)
    browser.force_login(User.objects.create_user("ann"))
    return browser


def test_a_page_is_a_503_that_leaves_the_cookie_alone(ann):
    """The next server may be able to read the session."""
    session = ann.session
    blob = later(session)
    answer = ann.get("/plain/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "sessionid" not in answer.cookies
    assert is_untouched(session, blob)
    row_of(session).update(data=b"\x41" + blob[1:])
    caches["default"].clear()
    assert ann.get("/plain/").content == b"ann"


def test_signing_out_ends_what_cannot_be_read(ann):
    """That is the way out for whoever sits before the browser."""
    session = ann.session
    later(session)
    assert ann.post("/account/logout/").status_code == 200
    assert not row_of(session).exists()
    assert ann.get("/plain/").content == b""


def test_operators_end_what_cannot_be_read(ann):
    """The log names the handle; then the browser is a visitor's."""
    session = ann.session
    handle = session.handle
    later(session)
    call_command("revokesessions", "--handle", handle, "--no-input", verbosity=0)
    assert ann.get("/plain/").content == b""


def test_get_decoded_answers_nothing_for_what_cannot_be_read(store, saved):
    """For scripts and shells: no exception in the middle of a list."""
    later(saved)
    assert row_of(saved).get().get_decoded() == {}


# --- limits that were lowered


@pytest.fixture
def large(store, saved):
    """A session of 5000 bytes, from before the limit was lowered to 1000."""
    saved["large"] = "x" * 5000
    saved.save()
    return saved


@pytest.fixture
def lowered(settings, large):
    """The site after the limit was lowered."""
    settings.SESSIONSTORE_MAX_BYTES = 1000


def test_a_lowered_limit_closes_no_session(store, large, lowered, clock):
    """What is stored may be read, and touched, and get another key."""
    session = store(large.session_key)
    assert len(session["large"]) == 5000
    clock.advance(minutes=5)
    session.modified = True
    session.save()
    clock.advance(minutes=5)
    assert session.touch()
    session.cycle_key()
    assert len(store(session.session_key)["large"]) == 5000


def test_a_lowered_limit_signs_nobody_out_and_lets_them_sign_out(ann, settings):
    """Limits bind what is written anew."""
    session = ann.session
    session["large"] = "x" * 5000
    session.save()
    settings.SESSIONSTORE_MAX_BYTES = 1000
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert ann.get("/plain/").content == b"ann"
    assert ann.post("/account/logout/").status_code == 200
    assert ann.get("/plain/").content == b""


def test_a_large_session_may_get_smaller_and_not_larger(store, large, lowered):
    """A login beside it fits when something goes."""
    session = store(large.session_key)
    session["large"] = "x" * 4000
    session.save()
    session["b"] = "y" * 1001
    with pytest.raises(SessionTooLarge):
        session.save()
    assert set(store(large.session_key).load()) == {"a", "large"}


def test_a_large_session_is_merged_under_a_lowered_limit(store, large, lowered):
    """Two requests that each take something out of it."""
    one, other = store(large.session_key), store(large.session_key)
    one["large"], other["a"] = "x" * 3000, 2
    one.save()
    other.save()
    assert store(large.session_key)["a"] == 2


def test_deep_data_of_an_earlier_release_may_be_kept(store, saved):
    """They are read, touched and get a new key; only what is changed has to be less deep."""
    deep = json.loads("[" * 150 + "]" * 150)
    put(saved, json.dumps({"a": deep}, separators=(",", ":")).encode())
    session = store(saved.session_key)
    assert session["a"] == deep
    session.cycle_key()
    assert store(session.session_key)["a"] == deep


def test_a_secret_that_rotates_writes_large_sessions_again(store, large, lowered, settings):
    """The new seal is put under what is stored, whatever its size."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one"
    session = store(large.session_key)
    assert len(session["large"]) == 5000
    session.save()
    settings.SECRET_KEY_FALLBACKS = []
    assert len(store(session.session_key)["large"]) == 5000


class WriteOnly:
    """A serializer that cannot read what it writes."""

    def dumps(self, data):
        return repr(data).encode()

    def loads(self, payload):
        return json.loads(payload)


def test_what_could_not_be_read_again_is_not_written(store, saved, settings):
    """Whoever writes checks what the reader can read."""
    settings.SESSION_SERIALIZER = f"{__name__}.WriteOnly"
    session = store()
    session["a"] = 1
    with pytest.raises(TypeError, match="SESSION_SERIALIZER cannot read what it has written"):
        session.save()


def test_what_an_earlier_release_has_compressed_is_read_up_to_sixteen_mebibytes():
    """Reading stops there at the earliest, and says so."""
    body = b"n" * 8 + zlib.compress(b"x" * (17 * 2**20))
    seal = tag(derive("s", "data.1"), b"bound", b"\x81", body, length=16)
    with pytest.raises(SessionUnreadable, match="16777216 bytes; raise SESSIONSTORE_MAX_BYTES"):
        Codec(("s",), 1000).decode(b"\x81" + seal + body, b"bound")
