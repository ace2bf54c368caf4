"""The names that a session is to be linked to, until they are there to stay."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sessionstore.links.names import Name
from sessionstore.links.rows import links
from sessionstore.table.receipts import Fate, Receipt, receipt_for


@dataclass(frozen=True, slots=True)
class _Kept:
    """With which session a name has been linked, and what tells whether a rollback takes it back.

    A key that changes changes the id too, with Express.
    """

    session_id: bytes
    receipt: Receipt | None

    def holds(self, session_id: bytes) -> bool:
        is_there = self.receipt is None or self.receipt.fate is not Fate.TAKEN_BACK
        return is_there and self.session_id == session_id


@dataclass(frozen=True, slots=True)
class PendingLinks:
    """The names that one request gives a session; each method returns another value."""

    names: Mapping[Name, _Kept | None] = field(default_factory=lambda: MappingProxyType({}))

    def __bool__(self) -> bool:
        return bool(self.names)

    def adding(self, name: Name) -> "PendingLinks":
        return PendingLinks({**self.names, name: None})

    def kept(self, session_id: bytes, user_id: str | None) -> "PendingLinks":
        """Store what this session is not linked to: new names, and what a rollback took back."""
        missing = [
            name for name, kept in self.names.items() if kept is None or not kept.holds(session_id)
        ]
        if not missing:
            return self
        receipt = receipt_for(links.alias)
        links.add(missing, session_id, user_id)
        return PendingLinks({**self.names, **dict.fromkeys(missing, _Kept(session_id, receipt))})


NO_LINKS = PendingLinks()
