"""Sessions that other models refer to, and those models."""

import django.db.models.deletion
from django.db import migrations, models

from sessionstore.models import AbstractSession


def referring(
    name: str, on_delete: object, to: str = "linkedsession", by: str = "session", **options: object
) -> migrations.CreateModel:
    """Return a table of rows that refer to a session, or to what refers to one."""
    link = models.ForeignKey(on_delete=on_delete, to=f"owntable.{to}", **options)
    number = models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )
    return migrations.CreateModel(name=name, fields=[("id", number), (by, link)])


class Migration(migrations.Migration):
    dependencies = [("owntable", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="LinkedSession",
            # Whatever a session has: the tests are about what refers to it.
            fields=[(field.name, field.clone()) for field in AbstractSession._meta.local_fields],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "abstract": False,
            },
        ),
        referring("Basket", django.db.models.deletion.CASCADE),
        referring("Receipt", django.db.models.deletion.SET_NULL, null=True),
        referring("Evidence", django.db.models.deletion.PROTECT),
        referring("Order", django.db.models.deletion.PROTECT, to="basket", by="basket"),
    ]
