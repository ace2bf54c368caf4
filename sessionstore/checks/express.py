"""Checks of a site that shares its sessions with Express."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004 - Django's names
from django.db import DatabaseError, InterfaceError, connections

from sessionstore.backends.express import SessionStore
from sessionstore.checks.deployment import key_columns
from sessionstore.checks.engine import (
    address_of,
    has_our_middleware,
    open_table_on,
    runs_on,
    site_table,
)
from sessionstore.conf import conf
from sessionstore.exceptions import SessionStoreUnavailable, WrongSetting
from sessionstore.express.fitness.cookies import disagreements_on
from sessionstore.express.fitness.findings import Finding, Level
from sessionstore.express.record import MissingSetting, express_settings
from sessionstore.express.table.schema import ExpressTable
from sessionstore.express.table.user_columns import UserColumns
from sessionstore.table.refusals import told
from sessionstore.table.verbs import Knows

# "s:", an id of 32 characters and a signature of 43, percent-encoded: 80, and 2 for each + and /.
_LONGEST_KEY = 128


def check_settings(**_: Any) -> list[CheckMessage]:
    """E050, E051: the engine lacks its setting, or the layout its database."""
    if not runs_on(SessionStore):
        return []
    try:
        layout_needs_postgres = express_settings().is_postgres_layout
    except MissingSetting as error:
        hint = 'Set SESSIONSTORE_EXPRESS = {"secrets": ["the secret of express-session"]}.'
        return [Error(str(error), hint=hint, id="sessionstore.E050")]
    alias = site_table().alias
    if alias not in connections:
        return []  # E003 tells.
    if layout_needs_postgres and connections[alias].vendor != "postgresql":
        return [
            Error(
                f"The layout connect-pg-simple needs PostgreSQL; {alias!r} is another database.",
                hint="Use the layout express-mysql-session, or set SESSIONSTORE_DATABASE.",
                id="sessionstore.E051",
            )
        ]
    return []


def check_unavailable(**_: Any) -> list[CheckMessage]:
    """E052, I050: what a table that Express writes too cannot give."""
    if not runs_on(SessionStore):
        return []
    found: list[CheckMessage] = [
        Error(
            f"{setting} does nothing with the Express engine: {reason}.",
            hint=f"Remove {setting}.",
            id="sessionstore.E052",
        )
        for setting, attribute, reason in (
            (
                "SESSIONSTORE_MAX_PER_USER",
                "max_per_user",
                "Express signs in without counting",
            ),
            ("SESSIONSTORE_ENCRYPT", "encrypt", "Express has to read the data"),
            (
                "SESSIONSTORE_ADOPT_FROM",
                "adopt_from",
                "Express knows its own cookies only",
            ),
        )
        if _value(attribute)
    ]
    if apps.is_installed("django.contrib.admin"):
        message = "The admin lists and ends no session of an Express table."
        found.append(Info(message, id="sessionstore.I050"))
    return found


def check_agreement(**_: Any) -> list[CheckMessage]:
    """W051, W052, W057: names, formats and limits on which both halves must agree."""
    if not runs_on(SessionStore):
        return []
    found: list[CheckMessage] = []
    if conf.cookie_name == "sessionid":
        found.append(
            Warning(
                "SESSION_COOKIE_NAME is Django's own, and Express looks for another cookie.",
                hint='Set SESSION_COOKIE_NAME = "connect.sid", or what `name` is in Express.',
                id="sessionstore.W051",
            )
        )
    if not conf.serializer_path.endswith("JSONSerializer"):
        found.append(
            Warning(
                f"SESSION_SERIALIZER = {conf.serializer_path!r} is not used: Express reads JSON.",
                hint="Remove SESSION_SERIALIZER.",
                id="sessionstore.W052",
            )
        )
    holds, is_set = SessionStore.column_bytes, "SESSIONSTORE_MAX_BYTES" in conf.names_with_prefix()
    if is_set and 0 < (limit := _value("max_bytes") or 0) < holds:
        found.append(
            Warning(
                f"SESSIONSTORE_MAX_BYTES is {limit}, and the column of the data holds "
                f"{holds} bytes: a session that Express has made larger cannot be changed here.",
                hint="Remove SESSIONSTORE_MAX_BYTES, or let Express keep to it too.",
                id="sessionstore.W057",
            )
        )
    return found


def check_middleware(**_: Any) -> list[CheckMessage]:
    """W055: Django's own middleware does not know what a row says of its cookie."""
    if not runs_on(SessionStore) or has_our_middleware():
        return []
    return [
        Warning(
            "Django's own session middleware sends and deletes the cookie by SESSION_COOKIE_*, not "
            "as Express has set it: where the two differ, the browser holds two cookies, or one "
            "that is less guarded.",
            hint="Put 'sessionstore.middleware.SessionMiddleware' in its place.",
            id="sessionstore.W055",
        )
    ]


def check_key_columns(**_: Any) -> list[CheckMessage]:
    """W054: another app has a column for session keys that an Express cookie does not fit in."""
    if not runs_on(SessionStore):
        return []
    # A primary key is that of another engine's table: no login writes there.
    longest = _LONGEST_KEY + len(quote(_prefix(), safe=""))
    short = sorted(
        f"{one.model._meta.label}.{one.name}"
        for one in key_columns()
        if one.max_length is not None and one.max_length < longest and not one.primary_key
    )
    if not short:
        return []
    return [
        Warning(
            f"{', '.join(short)} cannot hold a key of an Express session: that is the signed "
            f"cookie, of up to {longest} characters.",
            hint="Do without the app, or let its column hold as many. SQLite stores what is too "
            "long; the other databases raise DataError, at a login with allauth.usersessions.",
            id="sessionstore.W054",
        )
    ]


def check_table(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E053, W053: how the table differs; only with ``check --database ALIAS``."""
    table = _shared_table_on(databases)
    if table is None:
        return []
    try:
        findings = ExpressTable(table.alias, express_settings()).findings()
    except (DatabaseError, InterfaceError) as error:
        if connections[table.alias].connection is None:
            return []  # E041 tells.
        return [Error(told(error, [table]), id="sessionstore.E053")]
    return [
        Error(f"{one.text}.", hint=_hint(one), id="sessionstore.E053")
        if one.breaks
        else Warning(f"{one.text}.", hint=_hint(one), id="sessionstore.W053")
        for one in findings
        if one.level is not Level.WORKS
    ]


def check_cookies(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W056: Express's options of the cookie differ from Django's; only with ``--database``."""
    table = _shared_table_on(databases)
    if table is None:
        return []
    try:
        found = disagreements_on(table)
    except (DatabaseError, InterfaceError, SessionStoreUnavailable):
        return []  # E053 and E041 tell.
    return [Warning(f"{one.text}.", hint=one.hint, id="sessionstore.W056") for one in found]


def check_pages(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W050: what the pages about devices cannot list; only with ``check --database ALIAS``."""
    table = _shared_table_on(databases)
    if table is None:
        return []
    try:
        unsure = UserColumns(table.alias, express_settings()).why_unsure()
        knows = table.knows_users
    except (DatabaseError, InterfaceError, SessionStoreUnavailable):
        return []  # E041 or E053 tells.
    if unsure is not None:
        misses, why = "miss sessions", f"in {table.table} {unsure}"
        hint = "Run manage.py expresstable --add-user."
    elif knows is Knows.NONE and address_of("sessionstore:devices") is not None:
        misses, why = "see none", f"{table.table} does not tell whose its sessions are"
        hint = "Run manage.py expresstable --add-user, or include only login and logout."
    elif knows is Knows.SOME:
        misses, why = "miss sessions", "no trigger can run the callable in SESSIONSTORE_EXPRESS"
        hint = 'Their columns tell logins of Django and of passport: "user": True may be enough.'
    else:
        return []
    message = f"The pages about one's devices, and ends by user, {misses}: {why}."
    return [Warning(message, hint=hint, id="sessionstore.W050")]


def _shared_table_on(databases: Sequence[str] | None) -> Any:
    return open_table_on(databases) if runs_on(SessionStore) else None


def _hint(finding: Finding) -> str:
    mend = f"{finding.mend}; " if finding.mend else ""
    return f"{mend}manage.py expresstable --check tells more."


def _prefix() -> str:
    express = _value("express")
    return "" if express is None else str(express.prefix)


def _value(attribute: str) -> Any:
    """Return a setting; None for a wrong one."""
    try:
        return getattr(conf, attribute)
    except WrongSetting:
        return None  # E001 tells.


CHECKS = [
    check_settings,
    check_unavailable,
    check_agreement,
    check_middleware,
    check_key_columns,
]
DATABASE_CHECKS = [check_table, check_cookies, check_pages]
