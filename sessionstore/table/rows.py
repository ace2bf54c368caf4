"""The session table in SQL: the verbs of ``verbs.Table``, and those of a table that knows users.

Reads and writes both use the write database of the routers: a replica that lags loses logins and
revives logouts.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import (
    Case,
    Exists,
    F,
    Model,
    OuterRef,
    ProtectedError,
    RestrictedError,
    Value,
    When,
)
from django.db.models.deletion import CASCADE, PROTECT, RESTRICT, get_candidate_relations_to_delete

from sessionstore.conf.zones import aware
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenBytes
from sessionstore.core.keys import handle_of
from sessionstore.core.record import IMPORTED, Device, Record, Version

from .cursors import Values, select
from .retry import READ, WRITE, attempt, in_transaction
from .routed import BATCH, RoutedTable
from .statements import CHANGED, INSERTED, Statements, compose
from .verbs import Knows

if TYPE_CHECKING:
    from sessionstore.models import AbstractSession

# A queryset of the model's rows; the stubs of Django know no model that is chosen at run time.
Rows = Any
_changed_of = attrgetter(*CHANGED)
_inserted_of = attrgetter(*INSERTED)
# A loop over the rows of one user ends when a SELECT finds none; a flood of logins must end it too.
_ROUNDS = 100


class SqlTable(RoutedTable):
    """The table of a model; one object serves all threads."""

    first_version: Version = 1
    knows_users = Knows.ALL

    def __init__(self, model: type[Model], extra: Sequence[str] = ()) -> None:
        self.model = model
        self.extra = tuple(extra)
        self._statements: dict[str, Statements] = {}

    @staticmethod
    def handle_of(row_id: bytes) -> str:
        return handle_of(row_id)

    def next_version(self, version: Version, data: Any) -> Version:  # noqa: ARG002 - elsewhere the data are the version
        return self.first_version if version is None else version + 1

    # --- one row

    def fetch(self, digest: bytes, now: int) -> Record | None:
        alias = self.alias
        return attempt(alias, READ, self._one, alias, self._sql(alias).fetch, [digest, now])

    def find(self, row_id: bytes, now: int, *, lock: bool = False) -> Record | None:
        alias = self.alias
        return attempt(alias, READ, lambda: self._find(alias, row_id, now, lock=lock), row=row_id)

    def insert(self, record: Record) -> None:
        alias = self.alias
        values = [*_inserted_of(record), *self._extra_values(alias, record)]
        self._insert(alias, self._sql(alias).insert, values, row=record.id)

    def update(
        self,
        record: Record,
        expected_version: Version,
        now: int,
        *,
        replaces: bytes | None = None,
    ) -> bool:
        alias = self.alias
        values = [*_changed_of(record), *self._extra_values(alias, record)]
        values += [record.id, expected_version, now]
        sql = self._sql(alias).update
        if replaces is not None:
            sql, values = self._sql(alias).change_key, [now, record.digest, *values]
        return self._write(alias, sql, values, row=record.id) > 0

    def touch(self, record: Record, last_seen_at: int, expires_at: int) -> bool:
        """Move the times on; dropped inside a caller's transaction, or when the row is locked.

        It is not worth a wait.
        """
        alias = self.alias
        if in_transaction(alias):
            return False
        values = [last_seen_at, expires_at, record.id, record.version]
        values += [last_seen_at, expiry.now_ms()]
        return self._write_or_drop(alias, self._sql(alias).touch, values, row=record.id) > 0

    def remove(self, row_id: bytes, *, digest: bytes | None = None) -> int:  # noqa: ARG002 - for caches
        alias = self.alias
        if self._has_relations:
            return self._collect(self.objects.filter(pk=row_id))
        return self._write(alias, self._sql(alias).remove, [row_id], row=row_id)

    def remove_key(self, digest: bytes) -> int:
        alias = self.alias
        if self._has_relations:
            return self._collect(self.objects.filter(digest=digest))
        return self._write(alias, self._sql(alias).remove_key, [digest])

    def remove_replaced(self, digest: bytes) -> int:
        alias = self.alias
        if self._has_relations:
            return self._collect(self.objects.filter(previous_digest=digest))
        return self._write(alias, self._sql(alias).remove_replaced, [digest])

    def was_replaced(self, digest: bytes, since: int) -> bool:
        alias = self.alias
        values = [digest, since, expiry.now_ms()]
        sql = self._sql(alias).was_replaced
        return attempt(alias, READ, self._select, alias, sql, values) is not None

    # --- rows that importsessions made

    def start_imported(self, row_id: bytes, now: int) -> bool:
        """Give a row that has been imported its first version, and note when it was first used."""
        rows = self.objects.filter(pk=row_id, version=IMPORTED)
        started = {"version": self.first_version, "cycled_at": now}
        return bool(attempt(self.alias, WRITE, lambda: rows.update(**started), row=row_id))

    def moved_at(self, record: Record) -> int:
        """Return when an adopted session's cookie was first used here."""
        started = self.objects.filter(pk=record.id).values_list("cycled_at", flat=True)
        moment = attempt(self.alias, READ, started.first, row=record.id)
        return record.created_at if moment is None else expiry.to_ms(aware(moment))

    # --- rows that are bound to a device

    def bind(self, row_id: bytes, digest: bytes, device_key: bytes, now: int) -> bool:
        """Bind a live row of a user whose key has this digest; False when one has done so before.

        The version goes on, so that whoever has read the row before writes no older binding.
        """
        rows = self.objects.filter(pk=row_id, digest=digest, expires_at__gt=now)
        rows = rows.filter(bound_at=None).exclude(user_id=None)
        bound = {"device_key": device_key, "bound_at": now, "version": F("version") + 1}
        return bool(attempt(self.alias, WRITE, lambda: rows.update(**bound), row=row_id))

    def device_of(self, digest: bytes, now: int, *, replaced_since: int) -> Device | None:
        """Return which device the live row of a key is bound to; None when to none.

        Also of a key that the row had until a moment ago.
        """
        live = self.objects.filter(expires_at__gt=now).exclude(bound_at=None)
        had = live.filter(previous_digest=digest, cycled_at__gt=replaced_since)
        return self._device(live.filter(digest=digest)) or self._device(had)

    def _device(self, rows: Rows) -> Device | None:
        columns = rows.values_list("pk", "bound_at", "device_key")
        found = attempt(self.alias, READ, columns.first)
        if found is None:
            return None
        row_id, bound_at, key = found
        return Device(bytes(row_id), expiry.to_ms(aware(bound_at)), bytes(key or b""))

    def unbind(self, row_id: bytes, bound_at: int) -> bool:
        """Let a row be what it was before it was bound at this moment; False when it is no more."""
        rows = self.objects.filter(pk=row_id, bound_at=bound_at)
        unbound = {"device_key": None, "bound_at": None, "version": F("version") + 1}
        return bool(attempt(self.alias, WRITE, lambda: rows.update(**unbound), row=row_id))

    # --- many rows

    def known(self, digests: Iterable[bytes]) -> set[bytes]:
        """Return which of these digests are taken."""
        rows = self.objects.filter(digest__in=sorted(digests)).values_list("digest", flat=True)
        return attempt(self.alias, READ, lambda: set(map(bytes, rows)))

    def insert_many(self, records: Iterable[Record]) -> None:
        """Insert rows, many in a statement. Raises IntegrityError when an id is taken."""
        rows = [
            self.model(**{name: getattr(record, name) for name in INSERTED}, **record.extra)
            for record in records
        ]
        attempt(self.alias, WRITE, lambda: self.objects.bulk_create(rows))

    def remove_many(self, ids: Iterable[bytes], *, expired_before: int | None = None) -> int:
        rows = self.objects.filter(pk__in=sorted(ids))
        if expired_before is not None:
            # The + 0 keeps the optimizer on the primary key: the order of locks stays the same.
            rows = rows.extra(  # noqa: S610 - the text holds a column's quoted name
                where=[f"{self._quoted('expires_at')} + 0 < %s"], params=[expired_before]
            )
            return self._delete_expired(rows)
        return self._delete(rows)

    def live_of(
        self, user_id: str, *, first: bytes | None, start: int, most: int
    ) -> "list[AbstractSession]":
        """Return live rows of a user: one query, but for rows of another site between them."""
        own_first = Case(When(pk=first or b"", then=Value(0)), default=Value(1))
        rows = self.objects.live().filter(user_id=user_id)
        return list(rows.order_by(own_first, "-last_seen_at", "pk").own(start + most)[start:])

    def of_handle(
        self, user_id: str, handle: str, *, ending: bool = False
    ) -> "list[AbstractSession]":
        """Return the row of a user that a handle names, or none."""
        return list(self.objects.filter(user_id=user_id).by_handle(handle).own(ending=ending))

    def remove_of_users(
        self, user_ids: Sequence[str], *, but: bytes | None = None
    ) -> "list[AbstractSession]":
        """Delete all rows of some users apart from the id ``but``; return them as they were.

        A login may add one meanwhile, so it looks again until a look ends nothing. Another site
        that shares the table may have a user with the same key: its rows stay. No more of a row is
        read than that takes.
        """
        removed: list[AbstractSession] = []
        rows = self.objects.filter(user_id__in=user_ids).only("user_id", "digest", "expires_at")
        if but is not None:
            rows = rows.exclude(pk=but)
        if self._protecting:
            rows = self._maybe_live(rows)
        for _ in range(_ROUNDS):
            ended: list[AbstractSession] = []
            last = b""
            while page := attempt(
                self.alias, READ, partial(rows.after(last).own, BATCH, ending=True)
            ):
                ended += self._remove_of(user_ids, page)
                if len(page) < BATCH:
                    break
                last = bytes(page[-1].pk)
            if not ended:
                break
            removed += ended
        return removed

    def expired(self, before: int, limit: int) -> list[bytes]:
        rows = self._removable(before).order_by("expires_at").values_list("pk", flat=True)
        return attempt(self.alias, READ, lambda: [bytes(pk) for pk in rows[:limit]])

    def count_expired(self, before: int) -> int:
        return int(attempt(self.alias, READ, self._removable(before).count))

    def pay_debts(self) -> bool:
        return True

    # --- models with a foreign key to a session

    @cached_property
    def _relations(self) -> list[Any]:
        return list(get_candidate_relations_to_delete(self.model._meta))

    @property
    def _has_relations(self) -> bool:
        return bool(self._relations)

    @cached_property
    def _protecting(self) -> list[tuple[Any, str]]:
        """The models whose rows keep a session, and the way from them to it.

        Also at the end of a cascade: an order that keeps the basket that goes with its session.
        """
        found: list[tuple[Any, str]] = []
        left: list[tuple[Any, str]] = [(self.model, "")]
        seen: set[Any] = {self.model}
        while left:
            model, way = left.pop()
            one: Any
            for one in get_candidate_relations_to_delete(model._meta):
                step = one.field.name + way
                if one.on_delete in (PROTECT, RESTRICT):
                    found.append((one.related_model, step))
                elif one.on_delete is CASCADE and one.related_model not in seen:
                    seen.add(one.related_model)
                    left.append((one.related_model, f"__{step}"))
        return found

    def _removable(self, before: int) -> Rows:
        """Return the rows that a clean-up may delete: none that others keep by PROTECT."""
        rows = self.objects.filter(expires_at__lt=before)
        for model, way in self._protecting:
            keepers = model._base_manager.using(self.alias).filter(**{way: OuterRef("pk")})
            rows = rows.exclude(Exists(keepers))
        return rows

    def _delete(self, rows: Rows) -> int:
        """Delete a queryset: by one statement, or with what other models' on_delete asks for."""
        if self._has_relations:
            return self._collect(rows)
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))

    def _delete_expired(self, rows: Rows) -> int:
        return self._delete(rows)

    def _collect(self, rows: Rows) -> int:
        """Let Django delete, so that on_delete counts; what is protected ends and stays.

        Security: a session that somebody else's table keeps must not go on opening.
        """
        label = self.model._meta.label
        try:
            return int(attempt(self.alias, WRITE, lambda: rows.delete()[1].get(label, 0)))
        except (ProtectedError, RestrictedError):
            return sum(map(self._delete_or_void, [row.pk for row in rows.only("pk")]))

    def _delete_or_void(self, row_id: bytes) -> int:
        row = self.objects.filter(pk=row_id)
        label = self.model._meta.label
        try:
            return int(attempt(self.alias, WRITE, lambda: row.delete()[1].get(label, 0)))
        except (ProtectedError, RestrictedError):
            # A day ago: by nobody's clock may it be live, or a late save would fill it again.
            void = {"data": b"", "expires_at": expiry.now_ms() - expiry.DAY_MS}
            left = self._maybe_live(row)
            return int(attempt(self.alias, WRITE, lambda: left.update(**void)))

    def _maybe_live(self, rows: Rows) -> Rows:
        """Leave out what has ended by every host's clock: it may be a protected row that stays."""
        return rows.filter(expires_at__gt=expiry.now_ms() - expiry.CLOCKS_DIFFER_MS)

    # --- below the verbs

    def _sql(self, alias: str) -> Statements:
        try:
            return self._statements[alias]
        except KeyError:
            return self._statements.setdefault(alias, compose(alias, self.model, self.extra))

    def _select(self, alias: str, sql: str, values: Values) -> Any:
        return select(connections[alias], sql, values)

    def _one(self, alias: str, sql: str, values: Values) -> Record | None:
        # Security: an iterator, because a tuple that is recorded shows the digest.
        columns = iter(self._select(alias, sql, values) or ())
        for row_id in columns:
            digest = HiddenBytes(next(columns))
            return Record(bytes(row_id), digest, bytes(next(columns)), *columns)
        return None

    def _find(self, alias: str, row_id: bytes, now: int, *, lock: bool) -> Record | None:
        sql = self._sql(alias)
        if lock and sql.before_lock:
            self._execute(connections[alias], sql.before_lock, [row_id])
        return self._one(alias, sql.lock if lock else sql.find, [row_id, now])

    def _remove_of(
        self, user_ids: Sequence[str], page: "list[AbstractSession]"
    ) -> "list[AbstractSession]":
        """Delete these rows, of which each still is one of these users'; return which are gone."""
        among = self.objects.filter(pk__in=[bytes(row.pk) for row in page])
        # COALESCE keeps the optimizer on the primary key, and the check on the user holds.
        users = ", ".join(["%s"] * len(user_ids))
        rows = among.extra(  # noqa: S610 - as above
            where=[f"COALESCE({self._quoted('user_id')}, '') IN ({users})"], params=list(user_ids)
        )
        if self._delete(rows) == len(page):
            return page
        if self._protecting:
            among = self._maybe_live(among)
        left = attempt(
            self.alias, READ, lambda: set(map(bytes, among.values_list("pk", flat=True)))
        )
        return [row for row in page if bytes(row.pk) not in left]

    def _quoted(self, name: str) -> str:
        field: Any = self.model._meta.get_field(name)
        return connections[self.alias].ops.quote_name(field.column)

    def _extra_values(self, alias: str, record: Record) -> list[Any]:
        if not self.extra:
            return []
        connection = connections[alias]
        values = []
        for name in self.extra:
            field: Any = self.model._meta.get_field(name)
            values.append(field.get_db_prep_save(record.extra.get(name), connection))
        return values
