"""What there is: the table as its database describes it, and what some of its rows tell. Values."""

from dataclasses import dataclass, field

from sessionstore.express.fitness.rights import TO_CHANGE
from sessionstore.express.statements import Column


@dataclass(frozen=True, slots=True)
class Index:
    """The columns of an index in their order; None for an expression, or for a part of a column."""

    columns: tuple[str | None, ...]
    is_unique: bool
    is_primary: bool = False
    is_valid: bool = True
    """Whether it is whole: PostgreSQL keeps one whose making was broken off, and never reads it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database tells of a relation beside its columns."""

    kind: str = "table"
    """Or "view", "temporary table", "partitioned table", "unlogged table", "foreign table"."""
    engine: str = ""
    is_transactional: bool = True
    is_row_secured: bool = False
    rights: frozenset[str] = TO_CHANGE
    """Which of those to change the table this user has."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of another table to this one; its columns and its table as SQL has them."""

    name: str
    table: str
    columns: str
    to: tuple[str, ...]
    on_delete: str
    on_update: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What some of the rows tell. Security: of an id nothing but where it comes from."""

    prefixes: frozenset[str] = frozenset()
    longest: int = 0
    shift_s: int | None = None
    """By how much the times are off what Express wrote beside them; None: no row tells."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """One look at the table; no columns: there is none."""

    vendor: str
    columns: dict[str, Column]
    indexes: tuple[Index, ...] = ()
    facts: Facts = field(default_factory=Facts)
    triggers: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    denied: tuple[str, ...] = ()
    user: str = ""
    zone: str = ""
    """The time zone in which a column without one is read."""
    other_zones: tuple[str, ...] = ()
    sample: Sample = field(default_factory=Sample)

    @property
    def sees_triggers(self) -> bool:
        """Tell whether this user is shown triggers: MySQL shows none without the right to them."""
        return self.vendor != "mysql" or "TRIGGER" in self.facts.rights

    def has_index(self, name: str) -> bool:
        """Tell whether an index begins with a column."""
        return any(one.columns[0] == name and one.is_valid for one in self.indexes)
