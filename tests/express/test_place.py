"""Which table is meant: the one that the statements find, and no empty one beside it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections
from django.test import override_settings

from sessionstore.backends.express import SessionStore
from sessionstore.core import expiry
from sessionstore.core.express_format import iso_date
from sessionstore.express.fitness.catalogue import Catalogue
from sessionstore.express.record import express_settings
from sessionstore.express.store import ExpressStore
from sessionstore.express.table.schema import ExpressTable
from tests.express.peer import SECRETS
from tests.express.test_tables import NodeStore, live_through, run
from tests.faults.conftest import another_alias

PG = "connect-pg-simple"


@pytest.fixture
def app(database) -> Iterator[str]:
    """A further schema, or database, which is gone afterwards."""
    word = "SCHEMA" if connections[database].vendor == "postgresql" else "DATABASE"
    run(database, f"CREATE {word} app")
    yield "app"
    run(database, f"DROP {word} app {'CASCADE' if word == 'SCHEMA' else ''}")


def told(what: str, alias: str) -> str:
    out = io.StringIO()
    call_command("expresstable", what, database=alias, stdout=out)
    return out.getvalue()


@pytest.mark.only_on("postgresql")
def test_a_table_further_down_the_search_path_is_found(database, shared_table, app, settings):
    """The first schema of the path is not the one that has it; nothing hides it."""
    shared_table(layout=PG)
    ExpressStore().set("sid", {"a": 1})
    options = {"options": "-c search_path=app,public"}
    with another_alias(database, "pathed", OPTIONS=options) as alias:
        assert "can be shared" in told("--check", alias)
        assert "nothing to do" in told("--create", alias)
        assert "nothing to do" not in told("--add-guard", alias)
        assert ExpressTable(alias, express_settings()).has_guard()
        assert ExpressStore(database=alias).get("sid")["a"] == 1


@pytest.mark.only_on("postgresql")
def test_a_table_beside_the_search_path_is_not_hidden_by_a_new_one(database, shared_table, app):
    """--create names where it is, and the way out; --check says the same."""
    shared_table(layout=PG)
    with another_alias(database, "astray", OPTIONS={"options": "-c search_path=app"}) as alias:
        with pytest.raises(CommandError, match=r'is in public: set "schema"'):
            told("--create", alias)
        assert ExpressTable(alias, express_settings()).columns() == {}
        [finding] = ExpressTable(alias, express_settings()).findings()
        assert "in database 'astray' (127.0.0.1:" in finding.text
        assert finding.text.endswith(
            '; one with its columns is in public: set "schema" in SESSIONSTORE_EXPRESS'
        )
        for what in ("--check", "--add-guard"):
            with pytest.raises(CommandError, match=r'is in public: set "schema"'):
                told(what, alias)


@pytest.mark.only_on("mariadb", "mysql")
def test_a_table_of_another_database_is_not_hidden_by_a_new_one(database, express_site, app):
    """The two halves may have been given two databases of one server."""
    run(database, "CREATE TABLE app.sessions (session_id int, expires int, data int)")
    with pytest.raises(CommandError, match=r'is in .*\bapp\b.*: set "schema"'):
        told("--create", database)


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_a_schema_that_is_named_is_taken_at_its_word(database, express_site, app, settings):
    """A table of the same name elsewhere is another application's."""
    is_postgres = connections[database].vendor == "postgresql"
    layout = PG if is_postgres else "express-mysql-session"
    names = {"layout": layout, "table": "here", "time_zone": "UTC"}
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, **names}
    told("--create", database)
    settings.SESSIONSTORE_EXPRESS |= {"schema": app}
    assert "CREATE TABLE" in told("--create", database)
    assert "nothing to do" not in told("--add-guard", database)
    assert "as it should be" in told("--check", database)
    run(database, "DROP TABLE here")


@pytest.mark.only_on("postgresql")
def test_schema_and_table_are_those_of_connect_pg_simple(database, peers, settings, express_site):
    """With `schemaName` the name of the table is one, dots included."""
    names = {"schema": "my app", "table": "web.sessions"}
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "layout": PG, **names}
    run(database, 'CREATE SCHEMA "my app"')
    told("--create", database)
    told("--add-guard", database)
    options = {"schemaName": "my app", "tableName": "web.sessions", "createTableIfMissing": False}
    live_through(NodeStore(peers.get(database, store="pg", store_options=options)))
    run(database, 'DROP SCHEMA "my app" CASCADE')


@pytest.mark.only_on("sqlite")
def test_a_table_of_an_attached_file_is_found_as_the_statements_find_it(database, express_site):
    """Among the attached, the first that has it; by its schema, that one."""
    run(database, "ATTACH ':memory:' AS side")
    try:
        run(database, "CREATE TABLE side.sessions (session_id text PRIMARY KEY, expires, data)")
        assert "can be shared" in told("--check", database)
        assert "nothing to do" in told("--create", database)
        ExpressStore().set("sid", {"a": 1})
        assert ExpressStore().get("sid")["a"] == 1
    finally:
        run(database, "DETACH side")


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("schema", [None, "side"])
def test_what_belongs_to_a_table_of_an_attached_file_is_made_there(
    database, express_site, settings, schema
):
    """Mark, guard, and the columns of the user; a second run has nothing to do."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "schema": schema, "user": True}
    run(database, "ATTACH ':memory:' AS side")
    try:
        run(database, "CREATE TABLE side.sessions (session_id text PRIMARY KEY, expires, data)")
        told("--add-user", database)
        assert told("--add-user", database) == f"{express_settings().name}: nothing to do.\n"
        assert "as it should be" in told("--check", database)
        SessionStore().table._people.clear()
        ExpressStore().set("sid", {"passport": {"user": 7}})
        assert [row.user_id for row in SessionStore.get_table().live_of("7")] == ["7"]
    finally:
        SessionStore().table._people.clear()
        run(database, "DETACH side")


@pytest.mark.only_on("postgresql")
def test_columns_of_the_user_are_added_to_partitions(database, shared_table):
    """Where no index can be made beside live traffic."""
    shared_table(layout=PG)
    run(database, "DROP TABLE session")
    run(
        database,
        "CREATE TABLE session (sid varchar PRIMARY KEY, sess json, expire timestamp(6)) "
        "PARTITION BY HASH (sid)",
    )
    run(database, "CREATE TABLE s0 PARTITION OF session FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
    told("--add-user", database)
    output = told("--check", database)
    assert "the columns of the user" not in output
    assert "no guard" not in output


@pytest.mark.only_on("postgresql")
def test_an_index_whose_making_was_broken_off_is_made_anew(database, shared_table):
    """It is there, and no statement reads it."""
    shared_table(layout=PG)
    name = "IDX_session_expire"
    sql = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}'::regclass"
    run(database, sql.format(f'"{name}"'))
    assert "expire has no index" in told("--check", database)
    assert f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"' in told("--add-mark", database)
    assert "expire has no index" not in told("--check", database)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("trigger", ["session_keep_mark", "session_keep_user_write"])
def test_a_trigger_that_was_disabled_fires_again(database, shared_table, trigger):
    """--check tells that it does not, and the option that makes it enables it."""
    shared_table(layout=PG, users=True)
    run(database, f"ALTER TABLE session DISABLE TRIGGER {trigger}")
    findings = told("--check", database)
    assert "no guard" in findings or "triggers that keep the columns" in findings
    told("--add-user", database)
    assert findings != told("--check", database)
    assert trigger in Catalogue(database, express_settings()).triggers()


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_a_temporary_table_is_refused(database, express_site, settings):
    """Each connection would have another one."""
    is_postgres = connections[database].vendor == "postgresql"
    settings.SESSIONSTORE_EXPRESS = (
        {"secrets": SECRETS, "layout": PG} if is_postgres else {"secrets": SECRETS}
    )
    sql = ExpressTable(database, express_settings()).create_sql()[0]
    run(database, sql.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
    with pytest.raises(CommandError, match="cannot be shared"):
        told("--check", database)
    run(database, f"DROP TABLE {express_settings().table[0]}")


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_a_right_that_is_missing_is_told_with_the_grant(database, shared_table, settings):
    """The statement that is told is the one that helps."""
    connection = connections[database]
    is_postgres = connection.vendor == "postgresql"
    who = "timid" if is_postgres else "timid@'127.0.0.1'"
    shared_table(layout=PG) if is_postgres else shared_table()
    run(database, "CREATE ROLE timid LOGIN" if is_postgres else f"CREATE USER {who}")
    run(database, f"GRANT SELECT, INSERT ON {express_settings().table[0]} TO {who}")
    try:
        with another_alias(database, "timid", USER="timid") as alias:
            refused = ExpressTable(alias, express_settings()).findings(tries=True)[0]
            assert "may not UPDATE, DELETE" in refused.text
            run(database, refused.mend)
            connections[alias].close()
            assert "can be shared" in told("--check", alias)
    finally:
        if is_postgres:
            run(database, "DROP OWNED BY timid")
        run(database, f"DROP {'ROLE' if is_postgres else 'USER'} {who}")


@contextmanager
def timid(database: str, *grants: str) -> Iterator[str]:
    """A user of MySQL with these rights; of what nobody grants it is told nothing."""
    name = connections[database].settings_dict["NAME"]
    run(database, "CREATE USER timid@'127.0.0.1'")
    try:
        for rights in grants:
            run(database, f"GRANT {rights.format(f'`{name}`')} TO timid@'127.0.0.1'")
        with another_alias(database, "timid", USER="timid") as alias:
            yield alias
    finally:
        run(database, "DROP USER timid@'127.0.0.1'")


ROWS = "SELECT, INSERT, UPDATE, DELETE ON {}.sessions"


@pytest.mark.only_on("mariadb", "mysql")
def test_triggers_that_are_not_shown_are_not_fired(database, shared_table):
    """MySQL shows triggers to nobody without the right to them: no session is tried."""
    shared_table(guard=True)
    no = "FOR EACH ROW SIGNAL SQLSTATE '45000'"
    run(database, f"CREATE TRIGGER theirs BEFORE INSERT ON sessions {no}")
    with timid(database, ROWS) as alias:
        output = told("--check", alias)
        assert "neither triggers of others nor the guard, so no session was tried" in output
        assert "GRANT TRIGGER ON `sessions` TO 'timid'@'127.0.0.1';" in output
        assert "there is no guard" not in output
        run(database, "GRANT TRIGGER ON sessions TO timid@'127.0.0.1'")
        connections[alias].close()
        assert "triggers of its own (theirs), so no session was tried" in told("--check", alias)


@pytest.mark.only_on("mariadb", "mysql")
def test_a_right_that_comes_by_a_role_counts(database, shared_table):
    """What SHOW GRANTS tells of the roles in use."""
    shared_table(guard=True)
    run(database, "CREATE ROLE shop_owner")
    try:
        run(
            database,
            f"GRANT ALL ON `{connections[database].settings_dict['NAME']}`.* TO shop_owner",
        )
        with timid(database, ROWS) as alias:
            run(database, "GRANT shop_owner TO timid@'127.0.0.1'")
            to = {"mariadb": "FOR timid@'127.0.0.1'", "mysql": "TO timid@'127.0.0.1'"}[database]
            run(database, f"SET DEFAULT ROLE shop_owner {to}")
            assert "a session was stored, changed and ended" in told("--check", alias)
    finally:
        run(database, "DROP ROLE shop_owner")


@pytest.mark.only_on("mariadb", "mysql")
def test_what_adding_takes_is_told_before(database, shared_table):
    """With the statement that gives it."""
    shared_table()
    with timid(database, ROWS) as alias:
        to = "ON `sessions` TO 'timid'@'127.0.0.1';"
        assert f"GRANT ALTER, INDEX {to}" in told("--check", alias)
        run(database, "GRANT ALTER, INDEX ON sessions TO timid@'127.0.0.1'")
        connections[alias].close()
        assert "GRANT ALTER" not in told("--check", alias)


@pytest.mark.only_on("mariadb", "mysql")
def test_what_has_no_transactions_is_tried_in_a_copy(database, shared_table):
    """Who may make none is told; it is not passed unseen."""
    shared_table()
    run(database, "ALTER TABLE sessions ENGINE=MyISAM")
    with timid(database, ROWS) as alias:
        with pytest.raises(CommandError, match="cannot be shared"):
            told("--check", alias)
        run(database, "GRANT CREATE TEMPORARY TABLES ON *.* TO timid@'127.0.0.1'")
        connections[alias].close()
        assert "a session was stored, changed and ended" in told("--check", alias)


@pytest.mark.parametrize("rules", ["", "ON DELETE CASCADE", "ON UPDATE CASCADE ON DELETE RESTRICT"])
def test_a_reference_that_keeps_sessions_from_ending_is_told(database, shared_table, rules):
    """A logout, a clean-up and a new key would be errors; the statement that is told mends it."""
    vendor = connections[database].vendor
    shared_table(layout=PG) if vendor == "postgresql" else shared_table()
    [table], key = express_settings().table, express_settings().id
    kind = "varchar(128) COLLATE utf8mb4_bin" if vendor == "mysql" else "varchar(128)"
    to = f"FOREIGN KEY (sid) REFERENCES {table} ({key}) {rules}"
    run(database, f"CREATE TABLE carts (sid {kind}, {to})")
    try:
        session = SessionStore()
        session.save()
        sid = session.keyring.open(session.session_key).digest.decode()
        run(database, f"INSERT INTO carts VALUES ('{sid}')")  # noqa: S608 - our own id
        [refused] = [
            one for one in ExpressTable(database, express_settings()).findings() if one.breaks
        ]
        assert "carts" in refused.text
        if vendor == "sqlite":
            return
        with pytest.raises(IntegrityError):
            session.flush() if "DELETE CASCADE" not in rules else session.cycle_key()
        run(database, refused.mend)
        assert "can be shared" in told("--check", database)
        session.cycle_key()
        session.flush()
    finally:
        run(database, "DROP TABLE carts")


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_triggers_of_others_are_told_and_not_fired(database, shared_table):
    """What they do is theirs; no session is tried."""
    is_postgres = connections[database].vendor == "postgresql"
    shared_table(layout=PG) if is_postgres else shared_table()
    if is_postgres:
        run(
            database,
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'fired'; END $$",
        )
        run(database, "CREATE TRIGGER theirs BEFORE INSERT ON session EXECUTE FUNCTION no()")
    else:
        run(
            database,
            "CREATE TRIGGER theirs BEFORE INSERT ON sessions FOR EACH ROW SIGNAL SQLSTATE '45000'",
        )
    assert "triggers of its own (theirs), so no session was tried" in told("--check", database)
    if is_postgres:
        run(database, "DROP FUNCTION no() CASCADE")


@pytest.mark.only_on("postgresql")
def test_policies_that_hide_rows_are_found_by_trying(database, shared_table):
    """Row-level security lets the one half write what it never sees again."""
    shared_table(layout=PG)
    run(database, "CREATE ROLE timid LOGIN")
    run(database, "GRANT SELECT, INSERT, UPDATE, DELETE ON session TO timid")
    run(database, "ALTER TABLE session ENABLE ROW LEVEL SECURITY")
    try:
        with another_alias(database, "timid", USER="timid") as alias:
            with pytest.raises(CommandError, match="cannot be shared"):
                told("--check", alias)
            run(database, "CREATE POLICY all_of_them ON session USING (true)")
            assert "row-level security is on" in told("--check", alias)
    finally:
        run(database, "DROP OWNED BY timid")
        run(database, "DROP ROLE timid")


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("kind", ["json", "jsonb", "text", "varchar"])
def test_a_zone_that_differs_is_seen_by_the_rows(database, shared_table, peers, kind):
    """Touched ones too, beside those of Django; no row tells: that is said as well."""
    shared_table(layout=PG)
    run(database, f"ALTER TABLE session ALTER sess TYPE {kind}")
    SessionStore().save()
    assert "not verified" in told("--check", database)
    node = NodeStore(peers.get(database, store="pg", pgoptions="-c TimeZone=Asia/Seoul"))
    for sid, minutes in (("stored", 0), ("touched", -20)):
        node.set(sid, session_that_ends(minutes=60 + minutes))
    node.touch("touched", session_that_ends(minutes=60))
    for zone, verdict in (
        (None, "expire is about +9 h off what Express wrote"),
        ("Asia/Karachi", "expire is about +4 h off what Express wrote"),
        ("Pacific/Noumea", "expire is about -2 h off what Express wrote"),
    ):
        with override_settings(SESSIONSTORE_EXPRESS=zoned(zone)):
            findings = ExpressTable(database, express_settings()).findings(tries=True)
            assert [one.text[: len(verdict)] for one in findings if one.breaks] == [verdict]
    with override_settings(SESSIONSTORE_EXPRESS=zoned("Asia/Seoul")):
        assert "taken as Asia/Seoul" in told("--check", database)


def zoned(zone: str | None) -> dict[str, object]:
    return {"secrets": SECRETS, "layout": PG, "time_zone": zone}


def session_that_ends(*, minutes: int) -> dict[str, object]:
    """Return what Express stores of a session that lives for an hour."""
    ends = iso_date(expiry.now_ms() + minutes * 60_000)
    return {"cookie": {"originalMaxAge": 3_600_000, "expires": ends}}


@pytest.mark.only_on("postgresql")
def test_a_role_with_a_zone_of_its_own_is_told(database, shared_table, peers):
    """Express may connect as that one, as long as no row of it tells otherwise."""
    shared_table(layout=PG)
    run(database, "CREATE ROLE node LOGIN")
    run(database, "ALTER ROLE node SET TimeZone = 'Asia/Seoul'")
    try:
        roles = 'own (node: Asia/Seoul): set "time_zone" to theirs'
        assert roles in told("--check", database)
        with override_settings(SESSIONSTORE_EXPRESS=zoned("Asia/Seoul")):
            assert "not verified" not in told("--check", database)
        NodeStore(peers.get(database, store="pg")).set("sid", session_that_ends(minutes=60))
        assert roles not in told("--check", database)
    finally:
        run(database, "DROP ROLE node")


@pytest.mark.only_on("postgresql")
def test_a_timestamp_with_its_zone_is_a_moment_in_whatever_zone_node_has(
    database, shared_table, peers
):
    """No setting is needed, and none does harm."""
    shared_table(layout=PG)
    run(database, "ALTER TABLE session ALTER expire TYPE timestamptz")
    for zone in ("Asia/Seoul", "America/New_York"):
        node = NodeStore(peers.get(database, store="pg", pgoptions=f"-c TimeZone={zone}"))
        live_through(node)
