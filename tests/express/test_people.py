"""Devices and ends by user on a shared table: `expresstable --add-user`."""

import json
import uuid
from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import Client

from sessionstore.backends.express import SessionStore
from sessionstore.core import expiry
from sessionstore.core.express_format import sign
from sessionstore.exceptions import WrongSetting
from sessionstore.express import seal
from sessionstore.express.record import express_settings
from sessionstore.express.statements import quoted_table
from sessionstore.express.store import ExpressStore
from sessionstore.express.table.schema import ExpressTable
from sessionstore.express.table.user_columns import UserColumns
from sessionstore.express.users import said_in
from sessionstore.signals import session_revoked
from sessionstore.table.verbs import Knows
from sessionstore.users import end_session, end_sessions_of, sessions_of
from sessionstore.users.revocation import revoke_all_of
from tests.express.conftest import open_site
from tests.express.peer import NAME, SECRETS, Browser
from tests.express.test_lifetime import sid_of
from tests.express.test_settings import ids
from tests.harness.commands import run
from tests.harness.threads import run_together
from tests.web.accounts.models import TextUser, UuidUser
from tests.web.conftest import PASSWORD

with_node = pytest.mark.only_on("mariadb", "mysql", "postgresql")


@pytest.fixture
def table(database, shared_table, settings) -> str:
    """A table with the columns, and passport's logins counting in Django."""
    settings.ROOT_URLCONF = "tests.express.people_urls"
    return make_table(database, shared_table, users=True, user=True)


@pytest.fixture
def site(database, shared_table, peers, settings) -> Callable[..., Browser]:
    """Return a browser before both halves, on such a table."""
    settings.ROOT_URLCONF = "tests.express.people_urls"
    return lambda **further: open_site(
        database, shared_table, peers, **{"users": True, "user": True, **further}
    )


@pytest.fixture
def ann(db) -> User:
    """Somebody with a password."""
    return User.objects.create_user("ann", password=PASSWORD)


def make_table(database: str, shared_table, **further) -> str:
    if connections[database].vendor == "postgresql":
        further.setdefault("layout", "connect-pg-simple")
    return shared_table(**further)


def signed_in(user: User) -> Client:
    """Return another browser, which this user has signed in with in Django."""
    browser = Client()
    browser.post("/account/login/", {"username": user.username, "password": PASSWORD})
    return browser


def page(browser: Client) -> str:
    return browser.get("/account/devices/").content.decode()


def sealed(data: dict[str, object]) -> dict[str, object]:
    """Return what makes a login of Django's count in the session that ``store`` makes."""
    return seal.seal(b"a" * 32, data, said_in(data), expiry.now_ms(), None)


def store(number: object, *, sid: str = "a" * 32, **further: object) -> str:
    """Let Express's half store a session of passport's user; return its id."""
    data = {"cookie": {}, "passport": {"user": number}, **further}
    assert ExpressStore().set(sid, data)
    return sid


def overwrite(database: str, text: str, sid: str = "a" * 32) -> None:
    """Write what no store would write."""
    settings = express_settings()
    sql = f"UPDATE {settings.table[0]} SET {settings.data} = %s WHERE {settings.id} = %s"  # noqa: S608 - names of ours
    with connections[database].cursor() as cursor:
        cursor.execute(sql, [text, sid])


def held(database: str, sid: str = "a" * 32) -> tuple[str | None, str | None]:
    """Return what the two columns hold."""
    settings = express_settings()
    sql = f"SELECT user_id, passport_user FROM {settings.table[0]} WHERE {settings.id} = %s"  # noqa: S608 - names of ours
    with connections[database].cursor() as cursor:
        cursor.execute(sql, [sid])
        return cursor.fetchone()


def live_of(user: User) -> list[str]:
    """Return the ids of a user's rows."""
    return sorted(row.pk.decode() for row in SessionStore.get_table().live_of(str(user.pk)))


@with_node
class TestWithExpress:
    def test_a_login_of_passport_is_listed_and_can_be_ended(self, site, ann):
        """The devices page of Django shows it, and ends it there: Express is signed out."""
        phone, browser = site(), signed_in(ann)
        phone.express(["login", ann.pk])
        html = page(browser)
        assert html.count('name="handle"') == 2
        assert html.index("Signed in by Django") < html.index("Signed in by Express")
        table = SessionStore.get_table()
        handle = table.handle_of(sid_of(phone.cookie).encode())
        browser.post("/account/devices/revoke/", {"handle": handle})
        assert phone.express()["user"] is None
        assert page(browser).count('name="handle"') == 1

    def test_a_login_of_passport_may_end_others_once_it_has_shown_its_password(self, site, ann):
        """Express does not tell when that was; Django asks."""
        phone = site()
        phone.express(["login", ann.pk])
        other, browser = signed_in(ann), Client()
        browser.cookies[NAME] = phone.cookie
        html = page(browser)
        by_express = html.index("Signed in by Express")
        assert html.index("This device") < by_express < html.index("Signed in by Django")
        asked = browser.post("/account/devices/revoke-others/")
        assert asked.url.startswith("/account/confirm/")
        assert browser.post(asked.url, {"password": PASSWORD}).url == "/account/devices/"
        browser.post("/account/devices/revoke-others/")
        assert page(browser).count('name="handle"') == 1
        assert other.get("/account/devices/").status_code == 302

    def test_all_others_can_be_ended(self, site, ann):
        """This one stays, and so do those of somebody else."""
        bob = User.objects.create_user("bob")
        phone, browser = site(), signed_in(ann)
        other = Browser(phone.peer)
        phone.express(["login", ann.pk])
        other.express(["login", bob.pk])
        browser.post("/account/devices/revoke-others/")
        assert [phone.express()["user"], other.express()["user"]] == [None, bob.pk]
        assert "Signed out on 1 device." in page(browser)

    def test_what_express_destroys_is_listed_no_more(self, site, ann):
        """Nor a passport logout."""
        phone, browser = site(), signed_in(ann)
        phone.express(["login", ann.pk])
        phone.express(["destroy"])
        phone.express(["login", ann.pk])
        assert page(browser).count('name="handle"') == 2
        phone.express(["logout"])
        assert page(browser).count('name="handle"') == 1

    def stays_ended(self, phone, ann, database):
        phone.express(["login", ann.pk])
        sid = sid_of(phone.cookie)
        session = phone.peer.store("get", sid)
        revoke_all_of(str(ann.pk), reason="owner")
        phone.peer.store("set", sid, session)
        assert phone.peer.store("get", sid) is None
        assert held(database, sid) == (None, None)

    def test_a_slow_request_of_express_does_not_bring_it_back(self, site, ann, database):
        """The guard keeps the mark, whichever of the triggers has its turn first."""
        phone = site()
        self.stays_ended(phone, ann, database)
        assert live_of(ann) == []

    def test_filling_runs_beside_express(self, site, ann):
        """While the columns are added, filled and indexed, both halves go on; none is missed."""
        phone = site(users=False)
        for number in range(600):
            store(ann.pk, sid=f"{number:032}")
        ids = [f"{number:032}" for number in range(0, 600, 20)]
        session = {"cookie": {}, "passport": {"user": ann.pk}}

        def save(start: int) -> None:
            for number, sid in enumerate(ids):
                phone.peer.store("set", sid, {**session, "n": number})
                phone.peer.store("set", f"new{start}{number}", session)

        def add() -> None:
            run("expresstable", "--add-user")

        outcomes = run_together([add, *(partial(save, start) for start in range(3))])
        assert outcomes == [None] * 4
        SessionStore().table._people.clear()
        assert len(live_of(ann)) == 600 + 3 * len(ids)

    def test_a_guard_that_comes_later_changes_nothing(self, site, ann, database):
        """Then it has its turn after the triggers of the user."""
        phone = site()
        words = ExpressTable(database, express_settings())._words
        on = f" ON {words['table']}" if connections[database].vendor == "postgresql" else ""
        with connections[database].cursor() as cursor:
            cursor.execute(f"DROP TRIGGER {words['guard']}{on}")
        run("expresstable", "--add-guard")
        self.stays_ended(phone, ann, database)

    @pytest.mark.parametrize("change", ["password", "disabled", "deleted"])
    def test_a_changed_account_ends_the_sessions_of_passport(self, site, ann, change):
        """As it ends those that Django signed in."""
        phone = site()
        phone.express(["login", ann.pk])
        pk, ann.is_active = ann.pk, change != "disabled"
        if change == "password":
            ann.set_password("another one")
        ann.delete() if change == "deleted" else ann.save()
        assert phone.express()["user"] is None
        assert live_of(User(pk=pk)) == []

    def test_who_changes_the_own_password_stays_signed_in(self, site, ann):
        """All others end, on both halves."""
        phone, browser = site(), signed_in(ann)
        phone.express(["login", ann.pk])
        names = {"old_password": PASSWORD, "new_password1": "zebra77x", "new_password2": "zebra77x"}
        assert browser.post("/password/", names).url == "/account/devices/"
        assert page(browser).count('name="handle"') == 1
        assert phone.express()["user"] is None

    def test_a_command_ends_the_sessions_of_a_user(self, site, ann):
        """Counted, asked for and ended as with any other engine."""
        phone = site()
        phone.express(["login", ann.pk])
        words = f"1 session of the user {ann} with the id {ann.pk}"
        assert run("revokesessions", "--user=ann", "--dry-run") == f"Would end {words}.\n"
        assert run("revokesessions", "--user=ann", "--no-input") == f"Ended {words}.\n"
        assert phone.express()["user"] is None

    def test_express_stores_what_the_database_cannot_read(self, site, ann):
        """No trigger makes its statement fail, and none hides a session from an end."""
        phone = site()
        deep: list = []
        for _ in range(200):
            deep = [deep]
        phone.express(["login", ann.pk], ["set", "deep", deep], ["set", "nul", "\0"])
        sid = sid_of(phone.cookie)
        assert phone.express()["user"] == ann.pk
        assert live_of(ann) == [sid]
        assert live_of(User(pk=ann.pk + 1)) == []

    def test_a_login_that_does_not_count_is_nobodys(self, site, ann):
        """Without "user" passport's number names no user of Django, whatever the column holds."""
        phone, browser = site(user=None), signed_in(ann)
        phone.express(["login", ann.pk])
        assert page(browser).count('name="handle"') == 1
        browser.post("/account/devices/revoke-others/")
        assert phone.express()["user"] == ann.pk


@pytest.mark.parametrize(
    "number",
    [1, "1", "01", " 1 ", 10, "1e0", 1.5, True, None, {"id": 1}, [1], "1" * 300, "", "?"],
    ids=repr,
)
def test_the_list_and_a_load_agree_about_who_it_is(table, database, number):
    """Whoever Django would take for its user has the row in the list, and nobody else."""
    user = User.objects.create(pk=1, username="ann")
    sid = store(number)
    is_hers = SessionStore(sign(sid, SECRETS[0])).get("_auth_user_id") == "1"
    assert (live_of(user) == [sid]) is is_hers
    assert is_hers or number not in (1, "1") or number is True


UUID = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
SPELLINGS = [str(UUID), str(UUID).upper(), UUID.hex, UUID.hex.upper(), UUID.urn, f"{{{UUID}}}"]
SPELLINGS += [f"uuid:{UUID}", f"{{{UUID.hex}}}", str(UUID.int), f" {UUID}", f"{UUID}\n"]
SPELLINGS += [
    "0x" + "0" * 29 + "7",
    "0_" + "0" * 29 + "7",
    "7",
    7,
    f"-{UUID}-",
    "\uff15" + str(UUID)[1:],
]


def test_the_list_and_a_load_agree_about_the_spelling_of_a_uuid(table, database, settings):
    """Python reads many as one UUID: letter case and dashes make no difference, all else does."""
    settings.AUTH_USER_MODEL = "accounts.UuidUser"
    ann = UuidUser.objects.create_user("ann", PASSWORD, id=UUID)
    bob = UuidUser.objects.create_user("bob", PASSWORD, id=uuid.UUID(int=7))
    sid, found = store(0), []
    for spelled in SPELLINGS:
        store(spelled)
        seen = SessionStore(sign(sid, SECRETS[0])).get("_auth_user_id")
        listed = [str(user.pk) for user in (ann, bob) if live_of(user)]
        assert listed == ([] if seen is None else [seen]), spelled
        found += [spelled] * bool(listed)
    assert found == [*SPELLINGS[:4], f"-{UUID}-"]


def test_a_user_whom_a_database_finds_by_another_spelling_is_nobody(table, settings):
    """MySQL compares texts without letter case: such a login would be in no list."""
    settings.AUTH_USER_MODEL = "accounts.TextUser"
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.WithoutCase"]
    TextUser.objects.create_user("ann", PASSWORD, id="Ann")
    for spelled, user_id in (("Ann", "Ann"), ("ann", None)):
        sid = store(spelled)
        assert SessionStore(sign(sid, SECRETS[0])).get("_auth_user_id") == user_id


class WithoutCase(ModelBackend):
    """What ModelBackend is on MySQL."""

    def get_user(self, user_id: str) -> TextUser | None:
        return TextUser.objects.filter(pk__iexact=user_id).first()


def test_a_number_with_an_exponent_names_nobody(table, database):
    """And stops neither side."""
    user = User.objects.create(pk=100, username="ann")
    store(1)
    overwrite(database, '{"cookie":{},"passport":{"user":1e2}}')
    assert live_of(user) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"cookie":{},"passport":{"user":PK},"a":"\\ud800"}',
        '{"cookie":{},"passport":{"user":PK},"a":"\\u0000"}',
        '{"cookie":{},"a":' + "[" * 150 + "]" * 150 + ',"passport":{"user":PK}}',
        '{"cookie":{},"a":' + "[" * 40 + "]" * 40 + ',"_auth_user_id":"PK","_sessionstore":OURS}',
    ],
    ids=["surrogate", "nul", "deep", "deep login of Django"],
)
def test_no_session_hides_from_an_end(database, shared_table, ann, text):
    """What the database cannot read as JSON is read by Python: it may be a thief's."""
    shared_table(users=True, user=True)
    store(0)
    ours = json.dumps(sealed({"_auth_user_id": str(ann.pk)}))
    overwrite(database, text.replace("PK", str(ann.pk)).replace("OURS", ours))
    assert live_of(ann) == ["a" * 32]
    assert revoke_all_of(str(ann.pk), reason="owner") == 1
    assert live_of(ann) == []


@pytest.mark.parametrize("text", ["{bad", "null", "[]", "3", "", '{"passport":3}'])
def test_what_is_damaged_is_nobodys(database, shared_table, ann, text):
    """And the write of it is no error."""
    shared_table(users=True, user=True)
    store(ann.pk)
    overwrite(database, text)
    assert live_of(ann) == []


@pytest.mark.parametrize(
    "names",
    [
        ["1", "01", "1 "],
        ["550e8400-e29b-41d4-a716-446655440000", "550E8400E29B41D4A716446655440000"],
        ["Ann", "ann"],
        ["x" * 128, "x" * 300],
    ],
    ids=["number", "uuid", "case", "long"],
)
def test_no_spelling_hides_a_row(table, database, names):
    """A candidate may stand for several users; MySQL has no dashes in the UUIDs of Django."""
    for number, name in enumerate(names):
        store(name, sid=f"{number}" * 32)
    table = SessionStore.get_table()
    for name in names:
        sql = table._of_users(database)
        assert len(table._candidates(database, sql, name, 0)) == len(names)


def test_what_is_no_key_of_users_is_nobodys_row(table, database):
    """Candidates are read: of several spellings each is its own user's, or nobody's."""
    store("Ann")
    assert SessionStore.get_table().live_of("Ann") == []


def test_both_logins_of_a_session_are_candidates(table, database, ann):
    """A passport user that Django does not know hides no login of Django's own."""
    login = {"passport": {"user": 99}, "_auth_user_id": str(ann.pk)}
    store(99, _auth_user_id=str(ann.pk), _sessionstore=sealed(login))
    assert held(database) == (str(ann.pk), "99")
    assert live_of(ann) == ["a" * 32]


def test_the_handle_of_somebody_else_ends_nothing(table, ann):
    """Only the user's own rows are gone through."""
    bob = User.objects.create_user("bob")
    sid = store(bob.pk)
    handle = SessionStore.get_table().handle_of(sid.encode())
    signed_in(ann).post("/account/devices/revoke/", {"handle": handle})
    assert live_of(bob) == [sid]


def test_a_mark_is_nobodys(table, database, ann):
    """A row that stands for a logout."""
    store(ann.pk)
    assert revoke_all_of(str(ann.pk), reason="owner") == 1
    assert SessionStore.get_table().is_marked(b"a" * 32)
    assert live_of(ann) == []


def test_one_session_may_stay(table, ann):
    """The one that asks; of each that ends it is told once, with its handle and its user."""
    told = []
    session_revoked.connect(receiver := lambda **event: told.append(event["handle"]), weak=False)
    for letter in "abc":
        store(ann.pk, sid=letter * 32)
    ended = revoke_all_of(str(ann.pk), reason="owner", but=b"b" * 32)
    session_revoked.disconnect(receiver)
    assert (ended, live_of(ann)) == (2, ["b" * 32])
    table = SessionStore.get_table()
    assert sorted(told) == sorted(table.handle_of(one * 32) for one in (b"a", b"c"))


def test_the_own_row_comes_first_then_those_that_end_last(table, ann, clock):
    """More rows than are read at once, in pages of any size."""
    for number in range(120):
        clock.advance(seconds=1)
        store(ann.pk, sid=f"{number:032}")
    rows = SessionStore.get_table().live_of
    found = rows(str(ann.pk), first=f"{7:032}".encode(), start=0, most=3)
    assert [int(row.pk) for row in found] == [7, 119, 118]
    assert [int(row.pk) for row in rows(str(ann.pk), start=117, most=9)] == [2, 1, 0]


def test_rows_that_were_there_before_are_found(database, shared_table, settings, ann):
    """--add-user fills them, in batches; a second run has nothing to do."""
    make_table(database, shared_table, user=True)
    for number in range(250):
        store(ann.pk, sid=f"{number:032}")
    assert "Looked at 250 rows." in run("expresstable", "--add-user")
    assert run("expresstable", "--add-user").endswith(": nothing to do.\n")
    SessionStore().table._people.clear()
    assert len(live_of(ann)) == 250


def test_columns_that_are_not_filled_yet_are_not_believed(database, shared_table, ann):
    """The indexes come last: until then the page says that it cannot list."""
    name = make_table(database, shared_table, users=True, user=True)
    people = UserColumns(database, express_settings())
    assert people.is_filled()
    drop = "DROP INDEX {}" if connections[database].vendor != "mysql" else "DROP INDEX {} ON {}"
    index = people.quote(f"IDX_{name}_user_id")
    with connections[database].cursor() as cursor:
        cursor.execute(drop.format(index, name))
    SessionStore().table._people.clear()
    assert SessionStore.get_table().knows_users is Knows.NONE
    assert "Looked at 0 rows." in run("expresstable", "--add-user")
    SessionStore().table._people.clear()
    assert SessionStore.get_table().knows_users is Knows.ALL


def test_triggers_that_are_gone_are_told_and_made_anew(table, database, settings):
    """W050, and --add-user looks at all rows again."""
    assert "sessionstore.W050" not in ids(databases=[database])
    people = UserColumns(database, express_settings())
    on = f" ON {people.table}" if connections[database].vendor == "postgresql" else ""
    with connections[database].cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {people.quote(people.trigger_names[-1])}{on}")
    assert "sessionstore.W050" in ids(databases=[database])
    assert "triggers that keep the columns" in run("expresstable", "--check")
    assert "Looked at" in run("expresstable", "--add-user")
    assert "triggers" not in run("expresstable", "--check")
    assert "sessionstore.W050" not in ids(databases=[database])


def test_other_names_of_the_columns_can_be_chosen(database, shared_table, ann):
    """As for the others, by `columns`."""
    columns = {"user_id": "django_user", "passport_user": "node_user", "revoked_at": "ended"}
    make_table(database, shared_table, users=True, user=True, columns=columns)
    store(ann.pk)
    assert live_of(ann) == ["a" * 32]


def test_a_callable_is_told_where_it_is_not_seen(database, shared_table, settings, ann, capsys):
    """By the command, the check, the page and the command that ends: no trigger can run it."""
    settings.ROOT_URLCONF = "tests.express.people_urls"
    name = "tests.express.test_people.account_of"
    make_table(database, shared_table, users=True, user=name)
    assert SessionStore.get_table().knows_users is Knows.SOME
    assert "no trigger can run it" in run("expresstable", "--add-user")
    assert "sessionstore.W050" in ids(databases=[database])
    assert "may be missing here" in page(signed_in(ann))
    call_command("revokesessions", "--user=ann", "--no-input")
    assert "no trigger can run it" in capsys.readouterr().err


def account_of(data: dict) -> object:
    """Find the user where no trigger looks."""
    return data.get("account")


def test_a_dry_run_prints_all_of_it_and_changes_nothing(database, shared_table):
    """For those who give DDL to somebody else."""
    make_table(database, shared_table)
    output = run("expresstable", "--add-user", "--dry-run")
    for text in ("ADD COLUMN", " TRIGGER ", "in batches", "CREATE INDEX"):
        assert text in output
    SessionStore().table._people.clear()
    assert SessionStore.get_table().knows_users is Knows.NONE


@pytest.mark.only_on("postgresql")
def test_the_layout_of_mysql_on_postgresql_takes_any_text(database, shared_table, ann):
    """Its column is text, so that its JSON may be none."""
    shared_table(users=True, user=True)
    store(ann.pk)
    assert live_of(ann) == ["a" * 32]
    overwrite(database, "{bad passport")
    assert held(database) == (None, None)


def test_an_end_inside_a_block_that_is_rolled_back_is_taken_back(table, database, ann):
    """As with any other engine; inside a request the middleware repeats it."""
    store(ann.pk)
    with transaction.atomic(using=database):
        revoke_all_of(str(ann.pk), reason="owner")
        transaction.set_rollback(True, using=database)
    assert live_of(ann) == ["a" * 32]


def test_a_user_of_another_name_is_no_traceback(table):
    """In one line."""
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        run("revokesessions", "--user=nobody", "--no-input")
    assert json.loads(run("sessionstats", "--json"))["counts"]["live"]["value"] == 0
    assert NAME == "connect.sid"


@pytest.mark.parametrize("kind", ["integer", "varchar(5)"])
def test_a_column_of_the_site_is_left_alone(database, shared_table, kind):
    """A user_id beside the session is common, and the triggers would overwrite it."""
    make_table(database, shared_table)
    store(7)
    table = quoted_table(database, express_settings())
    with connections[database].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD COLUMN user_id {kind} NULL")
        cursor.execute(f"UPDATE {table} SET user_id = '42'")  # noqa: S608 - quoted names
    with pytest.raises(CommandError, match="its column user_id is "):
        call_command("expresstable", "--add-user")
    with connections[database].cursor() as cursor:
        cursor.execute(f"SELECT user_id FROM {table}")  # noqa: S608 - as above
        assert str(cursor.fetchone()[0]) == "42"


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_ids_that_come_back_otherwise_are_refused(database, shared_table):
    """Else a session would be in nobody's list, and no end would find it."""
    make_table(database, shared_table)
    table = quoted_table(database, express_settings())
    change = {"postgresql": "ALTER sid TYPE char(64)"}
    sql = change.get(database, "MODIFY session_id varbinary(128) NOT NULL")
    with connections[database].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} {sql}")
    with pytest.raises(CommandError, match="its ids are "):
        call_command("expresstable", "--add-user")


@pytest.mark.only_on("postgresql")
def test_an_index_of_another_table_stays(database, shared_table):
    """Whatever its name is."""
    make_table(database, shared_table)
    with connections[database].cursor() as cursor:
        cursor.execute("CREATE TABLE elsewhere (x int)")
        cursor.execute('CREATE INDEX "IDX_session_user_id" ON elsewhere (x)')
        try:
            with pytest.raises(CommandError):
                call_command("expresstable", "--add-user")
            cursor.execute("""SELECT to_regclass('"IDX_session_user_id"')""")
            assert cursor.fetchone()[0] is not None
        finally:
            cursor.execute("DROP TABLE elsewhere")


@pytest.mark.only_on("sqlite")
def test_code_sees_writes_and_ends_sessions_of_both_halves(table, ann, settings):
    """By the handle that the table's id makes, without a request."""
    signed_in(ann)
    browser = signed_in(ann)
    own = browser.session.handle
    assert len(sessions_of(ann)) == 2
    SessionStore.by_handle(own).transact(lambda session: session.update({"told": 1}))
    assert browser.session["told"] == 1
    assert end_sessions_of(ann, but=own) == 1
    assert end_session(own)
    assert sessions_of(ann) == []


@pytest.mark.only_on("sqlite")
def test_code_is_told_that_a_table_does_not_know_its_users(database, shared_table, ann):
    """Nobody is not the answer to a question that the table cannot answer."""
    make_table(database, shared_table)
    with pytest.raises(WrongSetting, match="--add-user"):
        sessions_of(ann)
