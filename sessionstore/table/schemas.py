"""One schema for each tenant in one PostgreSQL database, as django-tenants has them.

Its connections know the schema that they work in (``schema_name``) and change it by
``set_schema()``. Other connections have neither, and nothing here costs them anything.
"""

import random
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connections, router
from django.db.models import Model

from sessionstore.conf import conf

_HAVING = (
    "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE relname = %s AND relkind IN ('r', 'p')"
)


def schema_of(alias: str, model: type[Model]) -> str:
    """Return the schema that has the rows of a model for the tenant of this moment.

    It is the tenant's where its migrations make the table there, else "": that of all.
    """
    schema: str | None = getattr(connections[alias], "schema_name", None)
    if schema is None or schema == conf.public_schema:
        return ""
    try:
        return schema if router.allow_migrate_model(alias, model) else ""
    except LookupError:
        # Security: a tenant of unknown type has its own, so that nobody is taken for another's.
        return schema


def in_each_schema(alias: str, table: str) -> Iterator[None]:
    """Work in one schema of the site after the other, as far as they have a table of this name.

    Others in the same database belong to somebody else. In random order: one that fails does not
    keep the same others waiting each time.
    """
    connection: Any = connections[alias]
    if conf.tenant_model is None or not hasattr(connection, "set_schema"):
        yield
        return
    tenants = apps.get_model(conf.tenant_model)._base_manager
    names = {conf.public_schema, *tenants.values_list("schema_name", flat=True)}
    with connection.cursor() as cursor:
        cursor.execute(_HAVING, [table])
        names.intersection_update(name for (name,) in cursor.fetchall())
    before = connection.tenant
    try:
        for name in random.sample(sorted(names), len(names)):
            connection.set_schema(name)
            yield
    finally:
        connection.set_tenant(before)
