"""A session is linked to names from outside, by its save, and found by them."""

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import transaction

from sessionstore.cleaning import GRACE_MS, Pace, clear_expired
from sessionstore.core.keys import id_of
from sessionstore.housekeeping import all_to_clear
from sessionstore.links.names import Name
from sessionstore.links.rows import links
from sessionstore.models import Link
from sessionstore.outside.linked import SETTLED_MS, GoneLinks, end_linked
from sessionstore.signals import Reason
from tests.harness.statements import record_statements

ISSUER = "https://id.example"
NAME = Name(ISSUER, "s1")


@pytest.fixture
def linked(signed_in):
    signed_in.link(ISSUER, "s1")
    signed_in.save()
    return signed_in


def found(*names):
    return links.sessions_of(names or (NAME,))


def test_a_link_is_one_insert_and_a_session_without_one_pays_nothing(store, signed_in):
    """With an unchanged session: whatever else the save writes is no more than without."""
    with record_statements() as seen:
        signed_in.link(ISSUER, "s1")
        signed_in.link(ISSUER, "u1", kind="sub")
        signed_in.save()
        signed_in.save()
    assert [sql.split()[0] for sql in seen.about("sessionstore_link")] == ["INSERT"]
    assert found() == [id_of(signed_in.handle)]


def test_a_session_without_a_row_is_linked_with_its_row(store, database):
    """A receiver of a login may come before the first save."""
    session = store()
    session["a"] = 1
    session.link(ISSUER, "s1")
    session.save()
    assert found() == [session.row_id]


def test_a_link_holds_after_a_change_of_key(store, linked):
    """The id stays."""
    later = store(linked.session_key)
    later.cycle_key()
    later.save()
    assert end_linked(NAME, reason=Reason.COMMAND) == 1
    assert store(later.session_key).load() == {}


def test_an_end_by_name_ends_all_sessions_of_it(store, linked, database):
    """Several sessions may have one name; another name's session stays. Links go with them."""
    others = []
    for sid in ("s1", "s2"):
        session = store()
        session["_auth_user_id"] = "8"
        session.link(ISSUER, sid)
        session.save()
        others.append(session)
    assert end_linked(NAME, reason=Reason.COMMAND) == 2
    assert [bool(store(one.session_key).load()) for one in (linked, *others)] == [
        False,
        False,
        True,
    ]
    assert found() == []
    assert Link.objects.using(database).count() == 1


def test_several_names_mean_what_all_of_them_mean(store, linked):
    """The sid of one user, and the sub of another: nobody's."""
    linked.link(ISSUER, "u1", kind="sub")
    linked.save()
    sub = Name(ISSUER, "u1", "sub")
    assert found(NAME, sub) == [linked.row_id]
    assert found(NAME, Name(ISSUER, "u2", "sub")) == []


def test_a_rollback_takes_a_link_back_and_the_next_save_brings_it(store, signed_in, database):
    """As it does with the data that were saved in the block."""
    with transaction.atomic(using=database):
        signed_in.link(ISSUER, "s1")
        signed_in.save()
        assert found() == [signed_in.row_id]
        transaction.set_rollback(True, using=database)
    assert found() == []
    signed_in.save()
    assert found() == [signed_in.row_id]


def test_a_flush_before_the_save_links_nothing(store, signed_in):
    """Nor is the visitor linked who is left."""
    signed_in.link(ISSUER, "s1")
    signed_in.flush()
    signed_in["a"] = 1
    signed_in.save()
    assert found() == []


def test_the_async_name_links(store, signed_in):
    """And the same name twice is one link."""

    async def request():
        await signed_in.alink(ISSUER, "s1")
        await signed_in.asave()

    async_to_sync(request)()
    async_to_sync(request)()
    assert found() == [signed_in.row_id]


def test_a_link_holds_when_the_secret_is_rotated(linked, settings):
    """As the session does."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 8
    assert found() == [linked.row_id]


def test_forgetting_leaves_what_lives_and_what_is_young(store, linked, clock, database):
    """A session whose row is not there yet may be about to be committed."""
    links.add([NAME], b"0" * 16, None)
    clock.advance(hours=1)
    assert forgotten(store) == 0
    clock.advance(milliseconds=SETTLED_MS + GRACE_MS + 1)
    assert forgotten(store) == 1
    assert found() == [linked.row_id]
    store(linked.session_key).delete()
    assert forgotten(store) == 1
    assert forgotten(store) == 0


def test_a_clean_up_of_tenants_asks_each_schema(store):
    """Whether or not anything is linked in the one where it begins."""
    assert [one for one in all_to_clear(store) if isinstance(one, GoneLinks)]


def forgotten(store):
    """How many links a clean-up forgets; where there are none it does not look."""
    tables = [one for one in all_to_clear(store) if isinstance(one, GoneLinks)]
    return sum(clear_expired(table, pace=Pace(batch_size=2)).removed for table in tables)


@pytest.mark.parametrize("bad", [("", "s"), (ISSUER, ""), (ISSUER, None), (7, "s")])
def test_what_is_no_name_is_refused(bad):
    """Without the value: a sid may be taken for a secret."""
    with pytest.raises(TypeError, match="of a link is a text that is not empty"):
        Name(*bad)


def test_no_two_names_are_the_same_bytes():
    """Each part stands after its length."""
    names = [Name("ab", "c"), Name("a", "bc"), Name("ab", "c", "sub"), Name("sidab", "c", "x")]
    assert len({name.digest("secret") for name in names}) == len(names)
    assert "hidden" not in repr(Name("ab", "hidden"))


def test_the_commands_know_links(store, linked, database, capsys, clock):
    """``revokesessions --link`` by either kind of name; ``clearsessions`` forgets what is left."""
    linked.link(ISSUER, "u1", kind="sub")
    linked.save()
    call_command("revokesessions", "--link", ISSUER, "u1", "--no-input")
    assert "Ended 1 session that https://id.example calls u1." in capsys.readouterr().out
    assert store(linked.session_key).load() == {}
    clock.advance(milliseconds=SETTLED_MS + GRACE_MS + 1)
    call_command("clearsessions", "--dry-run")
    call_command("clearsessions")
    told = capsys.readouterr().out
    assert "Would delete 2 expired links from sessionstore_link" in told
    assert "Deleted 2 expired links from sessionstore_link" in told


def test_nobody_of_a_name_is_no_fault(linked, capsys):
    """As with a user who is signed in nowhere."""
    call_command("revokesessions", "--link", ISSUER, "nobody", "--no-input")
    assert "Ended 0 sessions that" in capsys.readouterr().out
