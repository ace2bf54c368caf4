"""Values that are nested deeper than Python reads: Node writes them, and Django leaves them."""

import json
import re

import pytest
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.core.express_format import decode, encode, new_sid, sign
from sessionstore.core.merge import MOST_LEVELS
from sessionstore.exceptions import SessionNotSerializable
from sessionstore.express.store import ExpressStore
from tests.express.conftest import open_site
from tests.express.peer import SECRETS, Browser
from tests.harness.threads import run_together

# How deep express-session 1.19 on Node 20 writes: it hashes by JSON.stringify with a replacer.
NODE_LISTS, NODE_DICTS = 1900, 3500
MARK = "nested too deep for Django: " + "0" * 32


def nested(levels: int, *, in_dict: bool = False) -> str:
    """Return the JSON of a value with so many levels."""
    if in_dict:
        return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)
    return "[" * levels + "]" * levels


def stored_text(database: str) -> str:
    """Return the JSON of the only row."""
    connection = connections[database]
    sql = "SELECT data FROM sessions"
    if connection.vendor == "postgresql":
        sql = 'SELECT sess::text FROM "session"'
    with connection.cursor() as cursor:
        cursor.execute(sql)
        [(text,)] = cursor.fetchall()
    return text


class TestFormat:
    @pytest.mark.parametrize("in_dict", [False, True], ids=["lists", "dicts"])
    @pytest.mark.parametrize("levels", [1, 98, 99, 100, 101, 900, 1000, 4183, 100_000])
    def test_each_depth_is_written_as_it_was_read(self, levels, in_dict):
        """Byte for byte, beside what Python reads."""
        text = f'{{"cookie":{{}},"a":1,"tree":{nested(levels, in_dict=in_dict)},"b":["{{"]}}'
        stored = decode(text)
        assert (stored.data["a"], stored.data["b"]) == (1, ["{"])
        assert encode(stored.data, stored.cookie, stored.deep) == text
        assert bool(stored.deep) is (levels >= MOST_LEVELS)

    def test_what_stands_beside_it_can_change(self):
        """And the value goes where its mark goes."""
        stored = decode(f'{{"cookie":{{}},"a":{nested(300)}}}')
        data = {"b": [stored.data["a"]], "c": 2}
        assert encode(data, {}, stored.deep) == f'{{"cookie":{{}},"b":[{nested(300)}],"c":2}}'

    def test_the_cookie_object_may_be_deep_too(self):
        """What Django does not understand of it is kept."""
        text = f'{{"cookie":{{"odd":{nested(300)}}},"a":1}}'
        stored = decode(text)
        assert encode(stored.data, stored.cookie, stored.deep) == text

    def test_a_mark_in_a_name_or_in_other_text_stands_for_nothing(self):
        """Who has read one can send it back: what is written stays JSON."""
        stored = decode(f'{{"cookie":{{}},"a":{nested(300)}}}')
        [mark] = stored.deep
        for text in (f'x"{mark}', f'{mark}"', f',"{mark}"', f':\\"{mark}', f'["{mark}",'):
            data = {mark: text, "list": [text, {mark: 1, text: 2}]}
            assert json.loads(encode(data, {}, stored.deep)) == {"cookie": {}, **data}

    def test_a_mark_that_nobody_has_read_is_an_error(self):
        """Stored as text it would be the value lost."""
        stored = decode(f'{{"cookie":{{}},"a":{nested(300)}}}')
        with pytest.raises(SessionNotSerializable, match="stands for a value that"):
            encode(stored.data, {})

    def test_a_mark_that_a_row_holds_as_text_is_text(self):
        """Express has stored what somebody has sent: each save of Django works."""
        text = f'{{"cookie":{{}},"a":"{MARK}","b":["{MARK}"]}}'
        for spelled in (text, text.replace('":', '": ').replace(",", ", ")):
            stored = decode(spelled)
            assert encode(stored.data, {}, stored.deep) == text

    @pytest.mark.parametrize(
        "end", ["", "]" * 300, "]" * 301, '"' + "]" * 300 + "}", '"' + '\\"' * 100_000]
    )
    def test_what_does_not_end_is_damaged(self, end):
        """In a time that is linear."""
        assert decode('{"cookie":{},"a":' + "[" * 300 + end) is None
        assert decode('{"cookie":{},"a":' + "[" * 200_000 + end) is None

    @pytest.mark.parametrize("frames", [0, 500])
    def test_every_python_reads_and_writes_all_that_node_writes(self, frames):
        """3.11 reads 992 levels by itself, 3.12 1,497, 3.13 9,998; deep in a request fewer."""
        if frames:
            self.test_every_python_reads_and_writes_all_that_node_writes(frames - 1)
            return
        for levels in (99, 100, 500, 990, 1500, 4200, 10_000, 100_000):
            for opening, closing in ("[]", ('{"a":[', "]}")):
                text = f'{{"cookie":{{}},"t":{opening * levels}{closing * levels}}}'
                stored = decode(text)
                assert encode(stored.data, stored.cookie, stored.deep) == text


@pytest.mark.only_on("sqlite")
class TestMarks:
    """A mark is worth its value wherever the session takes it, until the row holds that again."""

    @pytest.fixture
    def session(self, database, shared_table) -> SessionStore:
        """A session that Express has nested deep, read."""
        shared_table()
        sid = new_sid()
        ExpressStore().set(sid, {"cookie": {}, "n": 0})
        overwrite(database, nested(300))
        session = SessionStore(sign(sid, SECRETS[0]))
        assert session["n"] == 0
        return session

    def test_a_new_session_may_keep_it(self, database, session):
        """A view that keeps some data through a logout."""
        tree = session["tree"]
        session.flush()
        session["kept"] = tree
        session.save()
        assert f'"kept":{nested(300)}' in stored_text(database)

    def test_it_may_win_over_a_row_that_has_changed_meanwhile(self, database, session):
        """Moved in one request, and made another value in the next one."""
        session["mine"] = session.pop("tree")
        session["tree"] = 1
        overwrite(database, nested(400))
        session.save()
        assert f'"mine":{nested(300)}' in stored_text(database)

    def test_a_transact_may_keep_what_its_first_run_saw(self, database, session):
        """The row that it is run on again holds another value."""
        seen = []

        def change(it: SessionStore) -> None:
            seen.append(it["tree"])
            it["first"] = seen[0]
            if len(seen) == 1:
                overwrite(database, nested(400))

        session.transact(change)
        assert len(seen) == 2
        assert f'"tree":{nested(400)},"first":{nested(300)}' in without_ours(database)

    def test_another_session_has_no_value_for_it(self, session):
        """Then the view is told, and nothing is written."""
        other = SessionStore()
        other["tree"] = session["tree"]
        with pytest.raises(SessionNotSerializable, match="stands for a value that"):
            other.save()
        assert ExpressStore().length() == 1

    @pytest.mark.usefixtures("session")
    def test_a_script_that_copies_it_elsewhere_is_told(self):
        """Node's verbs know the row alone that they write."""
        store = ExpressStore()
        [copied] = store.all().values()
        with pytest.raises(SessionNotSerializable, match="stands for a value that"):
            store.set(new_sid(), copied)


def overwrite(database: str, tree: str) -> None:
    """Let Express store another tree."""
    with connections[database].cursor() as cursor:
        cursor.execute("UPDATE sessions SET data = %s", [f'{{"cookie":{{}},"n":0,"tree":{tree}}}'])


def without_ours(database: str) -> str:
    """Return the JSON of the only row, without the sealed key of ours."""
    return re.sub(r'"_sessionstore":{[^}]*},?', "", stored_text(database))


@pytest.fixture
def browser(database: str, shared_table, peers) -> Browser:
    return open_site(database, shared_table, peers, guard=True)


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
class TestWithNode:
    @pytest.mark.parametrize(
        ("levels", "in_dict"), [(NODE_LISTS, False), (NODE_DICTS, True), (150, True)]
    )
    def test_a_session_that_node_nests_deep_works_in_django(
        self, database, browser, levels, in_dict
    ):
        """It is read, changed elsewhere and given a new key; Express finds the value as it was."""
        browser.express(["set", "views", 1], ["nest", "tree", levels, in_dict])
        assert browser.django()["session"]["views"] == 1
        browser.django(["set", "cart", {"oat": 2}])
        assert nested(levels, in_dict=in_dict) in stored_text(database)
        browser.express(["measure", "tree"], ["delete", "tree"])
        answer = browser.express()["session"]
        assert (answer["measured"], answer["views"]) == (levels, 1)
        assert answer["cart"] == {"oat": 2}

    def test_whoever_signs_in_keeps_it(self, browser, django_user_model):
        """A new key is another row."""
        ann = django_user_model.objects.create_user("ann")
        browser.express(["nest", "tree", 500])
        assert browser.django(["login", ann.pk])["user"] == ann.pk
        browser.express(["measure", "tree"], ["delete", "tree"])
        assert browser.express()["session"]["measured"] == 500

    def test_django_may_replace_it(self, browser):
        """Or take it out."""
        browser.express(["nest", "one", 500], ["nest", "two", 500])
        browser.django(["set", "one", 1], ["delete", "two"])
        answer = browser.express()["session"]
        assert answer["one"] == 1
        assert "two" not in answer

    def test_concurrent_requests_merge_beside_it(self, browser):
        """Neither a merge nor a comparison goes into it; what Express wrote meanwhile stays."""
        browser.express(["nest", "tree", 500])
        late = SessionStore(browser.cookie)
        late.load()
        browser.express(["nest", "tree", 600], ["set", "theirs", 1])

        def change(number: int) -> None:
            one = SessionStore(browser.cookie)
            one[f"key{number}"] = number
            one.save()

        assert run_together([lambda n=number: change(n) for number in range(10)]) == [None] * 10
        late["late"] = True
        late.save()
        browser.express(["measure", "tree"], ["delete", "tree"])
        answer = browser.express()["session"]
        assert (answer["measured"], answer["theirs"], answer["late"]) == (600, 1, True)
        assert [answer[f"key{number}"] for number in range(10)] == list(range(10))

    def test_the_store_keeps_it(self, database, browser):
        """A script that reads, changes and writes a session."""
        sid = browser.express(["set", "a", 1])["id"]
        browser.express(["nest", "tree", 500])
        store = ExpressStore()
        session = store.get(sid)
        assert store.all() == {sid: session}
        assert store.set(sid, {**session, "b": 2})
        assert nested(500) in stored_text(database)
