"""Deletions that no rollback takes back."""

from typing import Any

from sessionstore.core import journal


def delete_for_good(rows: Any, deletion: journal.Deletion) -> Any:
    """Run ``deletion`` and answer what it answers.

    Inside a transaction a rollback takes the DELETE back; then the middleware repeats it after
    the response.
    """
    answer = deletion()
    events = journal.current()
    if events is not None and rows.in_transaction():
        events.add(deletion)
        rows.on_commit(lambda: events.forget(deletion))
    return answer
