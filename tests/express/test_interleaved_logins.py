"""Random programs of logins and logouts in both halves, against a model of who is signed in where.

Requests of both halves load a session, and act and save at random moments, with the browser's
cookie or an older one. Two users sign in and out on either side, under the same id as passport 0.5
does it and under another, with the session kept and without; they confirm and change their
passwords. So they do with the real passport 0.5, where a callable says who is signed in, and where
Express gives each of its sessions the same id. The model has one line for each rule of
docs/express.md, and each program is looked through for two identities in one session, whatever the
model says.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.contrib.auth import get_user, login, logout, update_session_auth_hash
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections
from django.http import HttpRequest

from sessionstore.backends.express import SessionStore
from sessionstore.core.express_format import sign
from sessionstore.express.record import express_settings
from tests.express.conftest import open_site
from tests.express.peer import SECRETS, Browser, Peer
from tests.express.test_lifetime import sid_of
from tests.express.test_sharing import kind

pytestmark = pytest.mark.only_on("mariadb", "mysql", "postgresql")

VARIANTS = {"plain": {}, "mark": {"mark": True}, "guard": {"guard": True}}
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
NOT_THERE, NOBODY = "not there", "nobody"  # no `passport`, and one without a user
KEEP = {"keepSessionInfo": True}

REUSED = "user-7"  # the genid `user` of peer.js


def account(data: dict[str, Any]) -> Any:
    """Return whom a site keeps beside passport."""
    return data.get("account")


@dataclass(frozen=True)
class Site:
    """What Django makes of Express's users, and how Express makes its ids."""

    mapping: Any = True
    releases: str = "new"
    genid: str | None = None

    @property
    def in_express(self) -> list[str]:
        if self.mapping is account:
            return ["set", "read", "account", "account", "no account", "regenerate", "destroy"]
        return IN_EXPRESS


SITES = {
    "untrusted": Site(None),
    "trusted": Site(),
    "passport-0.5": Site(releases="old"),
    "callable": Site(account),
    "reused-ids": Site(genid="user"),
}
each_table = pytest.mark.parametrize("variant", VARIANTS)
each_site = pytest.mark.parametrize("site", SITES)


@dataclass(frozen=True)
class Login:
    """A login of Django's: whose, and by which of their passwords."""

    user: int
    password: int


@dataclass(frozen=True)
class Content:
    """What stands in one row. The seal says under which id it was made, and of what."""

    keys: frozenset[str] = frozenset()
    passport: Any = NOT_THERE
    account: int | None = None
    login: Login | None = None
    has_lone_hash: bool = False
    is_recent: bool = False
    seal: tuple[Any, ...] | None = None

    @property
    def state(self) -> tuple[Any, ...]:
        return self.passport, self.account, self.login, self.has_lone_hash

    def sealed(self, sid: str) -> "Content":
        return replace(self, seal=(sid, *self.state))

    def in_django(self, sid: str) -> "Content":
        """Return what of it counts in Django: without a valid seal no login and no proof."""
        if self.seal == (sid, *self.state) and not self.has_lone_hash:
            return self
        is_recent = self.is_recent and self.seal == (sid, *self.state)
        return replace(self, login=None, has_lone_hash=False, is_recent=is_recent)

    @property
    def express_user(self) -> int | None:
        return self.passport if isinstance(self.passport, int) else None


def signed_out(content: Content) -> Content:
    """Return what a logout of passport leaves of a session."""
    return replace(content, passport=NOBODY) if content.passport != NOT_THERE else content


@dataclass
class Row:
    """One row; its content is None under a mark, until an Express without a guard writes there."""

    content: Content | None
    has_mark: bool = False


@dataclass
class Copy:
    """What a request has loaded: under which id, whom it saw, and by which password."""

    sid: str | None
    content: Content | None = None
    user: int | None = None
    password: int | None = None
    left: int | None = None
    is_flushed: bool = False


@dataclass
class Model:
    """The table, the users' passwords, and the rules."""

    variant: str
    site: Site
    rows: dict[str, Row] = field(default_factory=dict)
    passwords: dict[int, int] = field(default_factory=dict)

    # --- what each half sees

    def live(self, sid: str | None) -> Content | None:
        """Return what Django finds under an id; a mark means that there is nothing."""
        row = self.rows.get(sid or "")
        return None if row is None or row.has_mark else row.content

    def seen_by_express(self, sid: str | None) -> Content | None:
        row = self.rows.get(sid or "")
        return None if row is None else row.content

    def user_of(self, content: Content | None) -> int | None:
        """Return whom Django takes the session for: its own login, or whom the mapping finds."""
        if content is None:
            return None
        own = content.login.user if content.login else None
        return own or self.mapped(content)

    def mapped(self, content: Content) -> int | None:
        """Return whom the mapping finds."""
        if self.site.mapping is account:
            return content.account
        return content.express_user if self.site.mapping else None

    # --- what the table does

    def remove(self, sid: str | None) -> None:
        """End a session from Django."""
        if self.live(sid) is None:
            return
        if self.variant == "plain" or sid == REUSED:
            del self.rows[sid]
        else:
            self.rows[sid] = Row(None, has_mark=True)

    def upsert(self, sid: str, content: Content) -> None:
        """Write as Express does, without a look."""
        row = self.rows.setdefault(sid, Row(None))
        if not (row.has_mark and self.variant == "guard"):
            row.content = content

    # --- Express

    def express(self, copy: Copy, action: str, user: int, key: str, new: str | None) -> None:
        """Act on what a request of Express has loaded; `new` is the id that it got, if another."""
        held, sid = copy.content or Content(), copy.sid if copy.content else new
        if self.site.releases == "old" and action.startswith("log"):
            action = f"{action.split(maxsplit=1)[0].removesuffix('05')}05"
        changed = {
            "set": replace(held, keys=held.keys | {key}),
            "account": replace(held, account=user),
            "no account": replace(held, account=None),
            "login05": replace(held, passport=user),
            "logout05": signed_out(held),
        }.get(action, held)
        # What is new under the id of the cookie is stored by Express, changed or not.
        is_again = copy.content is None and copy.sid == REUSED
        if changed != held or (is_again and action in ("read", "no account", "logout05")):
            self.upsert(sid, changed)
        elif action == "destroy":
            self.rows.pop(sid, None)
        elif action == "regenerate":
            self.rows.pop(sid, None)
            self.upsert(new, Content(frozenset({key})))
        elif action in ("login", "login keep"):
            # The former session is destroyed, whoever has written it meanwhile.
            self.rows.pop(sid, None)
            self.upsert(new, replace(held if "keep" in action else Content(), passport=user))
        elif action in ("logout", "logout keep"):
            self.rows.pop(sid, None)
            left = held if "keep" in action else Content()
            after = signed_out(left)
            # passport has saved the former session: Express takes the same under one id for saved.
            if sid != REUSED or after != signed_out(held):
                self.upsert(new, after)

    # --- Django

    def load(self, sid: str | None) -> Copy:
        """Load a session in Django; another password than that of the login ends it."""
        content = self.live(sid)
        if content is None:
            return Copy(sid)
        user = self.user_of(content.in_django(sid))
        own = content.in_django(sid).login
        if own and own.password != self.passwords[own.user]:
            self.remove(sid)
            return Copy(sid, left=user, is_flushed=True)
        return Copy(sid, content, user, None if user is None else self.passwords[user])

    def django(self, copy: Copy, action: str, user: int, key: str, new: str | None) -> None:
        """Act on what a request of Django has loaded; `new` is the key that it has got, if any."""
        if action == "password" and copy.user:
            self.passwords[copy.user] += 1
        if copy.content is None:
            self._visit(copy, action, user, key, new)
        elif action == "logout":
            self.remove(copy.sid)
        elif action == "login":
            self._sign_in(copy, user, new)
        elif action == "cycle" or (action in ("confirm", "password") and copy.user):
            self._change_key(copy, action, new)
        elif action == "set":
            self._write(copy.sid, lambda now: replace(now, keys=now.keys | {key}))
        elif copy.content.in_django(copy.sid) != copy.content:
            # A login that is void is written away, also by a request that only reads.
            self._write(copy.sid, lambda now: now)

    def _write(self, sid: str, change: Callable[[Content], Content]) -> None:
        """Merge a change into what is there by now: whose session that is, is theirs to say."""
        now = self.live(sid)
        if now is not None:
            self.rows[sid] = Row(change(now.in_django(sid)).sealed(sid))

    def _visit(self, copy: Copy, action: str, user: int, key: str, new: str | None) -> None:
        if action == "set":
            self.rows[new] = Row(Content(frozenset({key})).sealed(new))
        elif action == "login":
            proves = copy.left in (None, user)
            self._insert_login(new, user, Content(), proves=proves)

    def _insert_login(self, new: str, user: int, kept: Content, *, proves: bool) -> None:
        own = Login(user, self.passwords[user])
        content = replace(kept, login=own, has_lone_hash=False, is_recent=proves)
        self.rows[new] = Row(content.sealed(new))

    def _sign_in(self, copy: Copy, user: int, new: str | None) -> None:
        """Sign in over what is loaded: another user's session ends, and passport's other user."""
        if copy.user and (copy.user != user or copy.password != self.passwords[user]):
            self.remove(copy.sid)
            self._insert_login(new, user, Content(), proves=copy.user == user)
            return
        now = self.live(copy.sid)
        if now is None:
            if copy.user is None and copy.content.express_user is None:
                # A double click: an anonymous visitor's goes on as a new session.
                kept = replace(copy.content, passport=NOT_THERE)
                self._insert_login(new, user, kept, proves=True)
            return
        self.remove(copy.sid)
        kept = now if self.mapped(now) == user else replace(now, passport=NOT_THERE)
        self._insert_login(new, user, kept, proves=True)

    def _change_key(self, copy: Copy, action: str, new: str | None) -> None:
        now = self.live(copy.sid)
        if now is None:
            if copy.user is None and copy.content.express_user is None:
                anonymous = copy.content.in_django(copy.sid)
                self.rows[new] = Row(anonymous.sealed(new))
            return
        self.remove(copy.sid)
        content = now.in_django(copy.sid)
        is_theirs = self.user_of(content) != copy.user
        if action == "confirm" and not is_theirs:
            content = replace(content, is_recent=True)
        if action == "password":
            content = self._with_new_hash(content, copy.user)
        self.rows[new] = Row(content.sealed(new))

    def _with_new_hash(self, content: Content, user: int) -> Content:
        if content.login and content.login.user == user:
            return replace(content, login=Login(user, self.passwords[user]))
        # A hash without a user is nobody's.
        return replace(content, has_lone_hash=self.user_of(content) is None)


@dataclass
class Request:
    """One request of either half, between its load and its save."""

    half: str
    number: int
    action: str
    user: int
    cookie: str | None
    copy: Any = None
    handle: Any = None

    @property
    def key(self) -> str:
        return f"r{self.number}"

    @property
    def steps(self) -> list[list[Any]]:
        has_passport = self.copy.content is not None and self.copy.content.passport != NOT_THERE
        return {
            "set": [["set", self.key, 1]],
            "read": [],
            "login05": [["set", "passport", {"user": self.user}]],
            "logout05": [["set", "passport", {}]] if has_passport else [],
            "account": [["set", "account", self.user]],
            "no account": [["delete", "account"]],
            "regenerate": [["regenerate"], ["set", self.key, 1]],
            "login": [["login", self.user]],
            "login keep": [["login", self.user, KEEP]],
            "logout": [["logout"]],
            "logout keep": [["logout", KEEP]],
            "destroy": [["destroy"]],
        }[self.action]


IN_EXPRESS = ["set", "read", "login05", "logout05", "login", "login keep"]
IN_EXPRESS += ["logout", "logout keep", "destroy"]
IN_DJANGO = ["set", "read", "login", "login", "logout", "confirm", "password", "cycle"]


class Program:
    """A random program on one table, and what the model says of it."""

    def __init__(self, seed: str, model: Model, peer: Peer, users: list[User]) -> None:
        self.seed, self.model, self.peer = seed, model, peer
        self.chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.users = [user.pk for user in users]
        self.jar: str | None = None
        self.cookies: list[str] = []
        self.told: list[str] = []

    def run(self) -> None:
        """Run six requests, some of them at the same time, and compare."""
        waiting: list[Request] = []
        number = 0
        while number < 6 or waiting:
            if number < 6 and (not waiting or self.chance.random() < 0.55):
                number += 1
                waiting.append(self.begin(number))
            else:
                request = waiting.pop(self.chance.randrange(len(waiting)))
                self.finish(request)
        self.compare()

    def begin(self, number: int) -> Request:
        """Load a session, mostly with the cookie of now."""
        half = self.chance.choice(["django", "express"])
        action = self.chance.choice(IN_DJANGO if half == "django" else self.model.site.in_express)
        older = self.chance.random() < 0.15 and self.cookies
        cookie = self.chance.choice(self.cookies) if older else self.jar
        request = Request(half, number, action, self.chance.choice(self.users), cookie)
        sid = sid_of(cookie) if cookie else None
        self.told.append(f"{number} {half} {action} {request.user} begins as {sid}")
        if half == "django":
            request.copy = self.model.load(sid)
            request.handle = HttpRequest()
            request.handle.session = SessionStore(cookie)
            request.handle.user = get_user(request.handle)
            return request
        request.copy = Copy(sid, self.model.seen_by_express(sid))
        name = f"{self.seed}-{number}"
        header = f"connect.sid={cookie}" if cookie else None
        request.handle = self.peer.send("/peer", [["hold", name], *request.steps], cookie=header)
        self.peer.control(f"held/{name}")
        return request

    def finish(self, request: Request) -> None:
        """Act and save, and let the browser take the cookie of another id."""
        self.told.append(f"{request.number} ends")
        new = self.in_django(request) if request.half == "django" else self.in_express(request)
        if request.half == "express" and self.model.site.genid:
            # No cookie is sent for the id that the browser has.
            new = new or REUSED
        act = self.model.django if request.half == "django" else self.model.express
        act(request.copy, request.action, request.user, request.key, new)
        assert None not in self.model.rows, "\n".join(self.told)

    def in_express(self, request: Request) -> str | None:
        self.peer.control(f"release/{self.seed}-{request.number}")
        status, answer, set_cookies = self.peer.receive(request.handle)
        assert status == 200, answer
        browser = Browser(cookie=request.cookie)
        browser._take(set_cookies)
        return self.takes(request, browser.cookie)

    def in_django(self, request: Request) -> str | None:
        session, user = request.handle.session, request.handle.user
        with suppress(UpdateError):
            if request.action == "set":
                session[request.key] = 1
            elif request.action == "login":
                login(request.handle, User.objects.get(pk=request.user), MODEL_BACKEND)
            elif request.action == "logout":
                logout(request.handle)
            elif request.action == "confirm" and user.is_authenticated:
                session.mark_authenticated()
                session.cycle_key()
            elif request.action == "cycle" and session.session_key:
                session.cycle_key()
            elif request.action == "password" and user.is_authenticated:
                user.password = f"{self.seed}-{request.number}"
                user.save()
                update_session_auth_hash(request.handle, user)
            if session.modified and not session.is_empty():
                session.save()
            return self.takes(request, session.session_key)
        return None

    def takes(self, request: Request, cookie: str | None) -> str | None:
        """Let the browser hold what the answer gave it; return the id, if it is another one."""
        if cookie == request.cookie:
            return None
        self.jar = cookie
        if cookie is None:
            return None
        self.cookies.append(cookie)
        self.told.append(f"{request.number} got {sid_of(cookie)}")
        return sid_of(cookie)

    # --- what there is

    def compare(self) -> None:
        """Compare each session that there was, in both halves."""
        for sid in {*map(sid_of, self.cookies), *self.model.rows}:
            why = "\n".join([self.seed, f"at {sid}", *self.told])
            in_express = self.express_shows(sid)
            assert in_express == self.express_should_show(sid), why
            in_django = self.django_shows(sid)
            assert in_django == self.django_should_show(sid), why
            one, other = in_django[0], in_express and in_express[0]
            if isinstance(other, int) and one is not None:
                assert (self.model.site.mapping, one) == (True, other), why

    def express_shows(self, sid: str) -> Any:
        held = self.peer.store("get", sid)
        if held is None:
            return None
        passport = held.get("passport", NOT_THERE)
        if passport != NOT_THERE:
            passport = passport.get("user", NOBODY)
        return passport, held.get("_auth_user_id"), keys_in(held)

    def express_should_show(self, sid: str) -> Any:
        content = self.model.seen_by_express(sid)
        if content is None:
            return None
        own = str(content.login.user) if content.login else None
        return content.passport, own, content.keys

    def django_shows(self, sid: str) -> Any:
        request = HttpRequest()
        request.session = session = SessionStore(sign(sid, SECRETS[0]))
        keys, is_recent = keys_in(dict(session.items())), session.authenticated_at_ms is not None
        user = get_user(request)
        return user.pk, is_recent and user.is_authenticated, keys

    def django_should_show(self, sid: str) -> Any:
        content = self.model.live(sid)
        if content is None:
            return None, False, frozenset()
        seen = content.in_django(sid)
        user = self.model.user_of(seen)
        if seen.login and seen.login.password != self.model.passwords[seen.login.user]:
            user = None
        return user, user is not None and seen.is_recent, seen.keys


def clear(database: str) -> None:
    """Empty the table: where ids come again, one program would begin with the rows of the last."""
    with connections[database].cursor() as cursor:
        cursor.execute(f"DELETE FROM {express_settings().table[0]}")  # noqa: S608 - our own name


def keys_in(held: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for name in held if name.startswith("r") and name[1:].isdigit())


def check(database, shared_table, peers, variant: str, site: str, count: int) -> None:
    chosen = SITES[site]
    opened = open_site(database, shared_table, peers, user=chosen.mapping, **VARIANTS[variant])
    session = {"genid": chosen.genid} if chosen.genid else {}
    peer = opened.peer
    if chosen != Site(chosen.mapping):
        peer = peers.get(database, **kind(database), releases=chosen.releases, session=session)
    users = [User.objects.create_user(name, password=name) for name in ("ann", "bob")]
    for number in range(count):
        passwords = {user.pk: 0 for user in users}
        seed = f"{database}-{variant}-{site}-{number}"
        Program(seed, Model(variant, chosen, {}, passwords), peer, users).run()
        clear(database)


@each_site
@each_table
def test_random_logins_leave_no_two_identities(database, shared_table, peers, variant, site):
    """Short form: a few on each table of each database."""
    check(database, shared_table, peers, variant, site, 6)


@pytest.mark.soak
@each_site
@each_table
def test_ten_thousand_random_logins(database, shared_table, peers, variant, site):
    """The same: 10,035 on the three databases together."""
    check(database, shared_table, peers, variant, site, 223)
