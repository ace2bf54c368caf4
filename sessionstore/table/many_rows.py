"""The verbs on many rows of the session table at once: for the cleaner, and for revocations."""

from collections.abc import Iterable
from typing import Any

from django.db import connections

from sessionstore.core.record import Record
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.routed import BATCH, RoutedTable
from sessionstore.table.statements import CHANGED


class ManyRows(RoutedTable):
    """The table as sets of rows; ``SqlRows`` has the verbs on one row."""

    def known(self, digests: Iterable[bytes]) -> set[bytes]:
        """Answer which of these ids are taken."""
        rows = self.objects.filter(pk__in=sorted(digests)).values_list("pk", flat=True)
        return attempt(self.alias, READ, lambda: set(map(bytes, rows)))

    def insert_many(self, records: Iterable[Record]) -> None:
        """Insert rows, many in a statement. Raises IntegrityError when an id is taken."""
        names = [*CHANGED, "created_at"]
        rows = [
            self.model(
                digest=record.id, **{name: getattr(record, name) for name in names}, **record.extra
            )
            for record in records
        ]
        attempt(self.alias, WRITE, lambda: self.objects.bulk_create(rows))

    def remove_many(self, digests: Iterable[bytes], *, expired_before: int | None = None) -> int:
        """Delete rows by primary key, in its order; with a cutoff only if they expired before."""
        rows = self.objects.filter(pk__in=sorted(digests))
        if expired_before is not None:
            # The + 0 keeps the optimizer on the primary key: the order of locks stays the same.
            rows = rows.extra(  # noqa: S610 - the text holds a column's quoted name
                where=[f"{self._quoted('expires_at')} + 0 < %s"], params=[expired_before]
            )
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))

    def remove_of_user(self, user_id: str, *, but: bytes | None = None) -> int:
        """Delete all rows of a user, those that are being renamed included; answer how many.

        One DELETE by user misses a row that is renamed meanwhile, so it looks again until a
        SELECT finds none.
        """
        return self._remove_while(user_id, but=but)

    def remove_renamed(self, user_id: str, created_at: int) -> int:
        """Delete the row that a concurrent request renamed: neither value ever changes."""
        return self._remove_while(user_id, rounds=5, created_at=created_at)

    def expired(self, before: int, limit: int) -> list[bytes]:
        """Answer at most ``limit`` ids that expired before ``before``, by the expiry index."""
        rows = self.objects.filter(expires_at__lt=before).order_by("expires_at")
        return attempt(
            self.alias,
            READ,
            lambda: [bytes(pk) for pk in rows.values_list("pk", flat=True)[:limit]],
        )

    def count_expired(self, before: int) -> int:
        """Answer how many rows expired before ``before``, by the expiry index."""
        rows = self.objects.filter(expires_at__lt=before)
        return int(attempt(self.alias, READ, rows.count))

    def pay_debts(self) -> bool:
        """Tell a cache in front of the table what it could not be told; answer whether it knows."""
        return True

    # --- below the verbs

    def _quoted(self, name: str) -> str:
        field: Any = self.model._meta.get_field(name)
        return connections[self.alias].ops.quote_name(field.column)

    def _remove_while(
        self, user_id: str, *, but: bytes | None = None, rounds: int = 100, **also: Any
    ) -> int:
        removed = 0
        rows = self.objects.filter(user_id=user_id, **also)
        if but is not None:
            rows = rows.exclude(pk=but)
        for _ in range(rounds):
            digests = attempt(
                self.alias, READ, lambda: list(rows.values_list("pk", flat=True)[:BATCH])
            )
            if not digests:
                break
            removed += self._remove_of(user_id, digests)
        return removed

    def _remove_of(self, user_id: str, digests: list[bytes]) -> int:
        # COALESCE keeps the optimizer on the primary key, and the check on the user holds.
        rows = self.objects.filter(pk__in=sorted(map(bytes, digests))).extra(  # noqa: S610 - as above
            where=[f"COALESCE({self._quoted('user_id')}, '') = %s"], params=[user_id]
        )
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))
