"""Live, expired and the ten minutes between them: the commands count the same, and name users."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.test import override_settings

from sessionstore.backends.sql import SessionStore
from sessionstore.models import Session
from tests.harness.commands import run
from tests.ops.rows import add_rows

NOBODY = r"no user 'nobody', by name or by id\. If the account is deleted, use --user-id"


@pytest.fixture
def ann(database) -> User:
    """Somebody with five live sessions, one that has just expired and two that have long."""
    user = User.objects.create(username="ann")
    for number, seconds in ((5, 3600), (1, -60), (2, -3600)):
        add_rows(number, expires_in_s=seconds, alias=database, user_id=str(user.pk))
    return user


def test_all_commands_count_the_same(database, ann):
    """What is live, what has expired, and what of it waits, because clocks differ."""
    counts = json.loads(run("sessionstats", "--json"))["counts"]
    found = {name: counts[name]["value"] for name in ("rows", "live", "expired", "clearable")}
    assert found == {"rows": 8, "live": 5, "expired": 3, "clearable": 2}
    lines = run("sessionstats").splitlines()
    assert "    clearable     2, the others ended in the last 10 minutes" in lines
    table = f"sessionstore_session of database {database!r}"
    assert run("clearsessions", "--dry-run") == (
        f"Would delete 2 expired sessions from {table}. "
        f"1 more ended in the last 10 minutes and is kept, for clocks differ.\n"
    )
    [told] = json.loads(run("clearsessions", "--dry-run", "--json"))["tables"]
    assert (told["sessions"], told["kept"]) == (2, 1)
    who = f"of the user ann with the id {ann.pk}"
    assert run("revokesessions", "--user=ann", "--dry-run") == (
        f"Would end 5 sessions {who}, and delete 3 expired sessions.\n"
    )
    assert run("revokesessions", "--user=ann", "--no-input") == (
        f"Ended 5 sessions {who}, and deleted 3 expired sessions.\n"
    )
    assert Session.objects.using(database).count() == 0


@pytest.mark.only_on("sqlite")
def test_an_exact_count_knows_the_same(database, ann, monkeypatch):
    """By the scan of a table that is larger than a sample."""
    monkeypatch.setattr("sessionstore.table.statistics.SAMPLE", 4)
    counts = json.loads(run("sessionstats", "--json", "--exact"))["counts"]
    assert (counts["expired"]["value"], counts["clearable"]["value"]) == (3, 2)


@pytest.mark.only_on("sqlite")
def test_nothing_is_said_of_what_is_not_there(database):
    """Who has nothing in between reads of none of it."""
    add_rows(1, expires_in_s=3600, alias=database)
    assert "clearable" not in run("sessionstats")
    assert "kept" not in run("clearsessions", "--dry-run")
    assert run("revokesessions", "--all", "--dry-run") == "Would end 1 session of everybody.\n"


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("name", ["ann", "{id}"])
def test_a_user_can_be_named_by_name_or_id(database, ann, name):
    """The answer has both, so that a wrong number is seen before the yes."""
    told = run("revokesessions", f"--user={name.format(id=ann.pk)}", "--dry-run")
    assert told.startswith(f"Would end 5 sessions of the user ann with the id {ann.pk},")


@pytest.mark.only_on("sqlite")
def test_a_name_that_is_the_id_of_another_is_refused(database, ann):
    """Neither wins: somebody else would be signed out."""
    other = User.objects.create(username=str(ann.pk))
    with pytest.raises(CommandError) as caught:
        run("revokesessions", f"--user={ann.pk}", "--dry-run")
    assert str(caught.value) == (
        f"{str(ann.pk)!r} is the name of the user with the id {other.pk}, and the id of the user "
        f"ann. Say which: --user-id={other.pk} or --user-id={ann.pk}."
    )
    assert "5 sessions" in run("revokesessions", f"--user-id={ann.pk}", "--dry-run")


@pytest.mark.only_on("sqlite")
def test_a_name_that_is_ones_own_id_is_no_question(database):
    """Both lead to the same user."""
    user = User.objects.create(username="4711", pk=4711)
    assert "Would end 0 sessions" in run("revokesessions", f"--user={user.pk}", "--dry-run")


@pytest.mark.only_on("sqlite")
def test_a_user_who_is_neither_is_told_with_the_way_out(database, ann):
    """A number too: an account that is gone is ended by --user-id, on purpose."""
    with pytest.raises(CommandError, match=NOBODY):
        run("revokesessions", "--user=nobody", "--dry-run")
    with pytest.raises(CommandError, match="no user '123456', by name or by id"):
        run("revokesessions", "--user=123456", "--dry-run")


@pytest.mark.only_on("sqlite")
def test_the_statistics_name_users(database, ann):
    """An id says little to people; JSON has the names apart."""
    add_rows(1, expires_in_s=3600, alias=database, user_id="gone")
    lines = run("sessionstats").splitlines()
    assert f"  {f'{ann.pk} (ann)':<15} 5" in lines
    assert "  gone            1" in lines
    told = json.loads(run("sessionstats", "--json"))
    assert told["top_users"] == [[str(ann.pk), 5], ["gone", 1]]
    assert told["user_names"] == {str(ann.pk): "ann"}


@pytest.mark.only_on("sqlite")
def test_no_name_is_put_to_the_sessions_of_another_site(database, ann):
    """Its users have the same ids, where it shares the table."""
    with override_settings(SECRET_KEY="of another site " * 4):
        session = SessionStore()
        session["_auth_user_id"] = str(ann.pk)
        session.save()
    assert "(ann)" not in run("sessionstats")
    assert f"  {ann.pk:<15} 6" in run("sessionstats").splitlines()
