"""The table of SESSIONSTORE_HISTORY."""

from django.db import migrations, models

from sessionstore.models import FixedBytesField, MillisecondsField, UserIdField


class Migration(migrations.Migration):
    dependencies = [
        ("sessionstore", "0004_known_device"),
    ]

    operations = [
        migrations.CreateModel(
            name="SessionEvent",
            fields=[
                (
                    "id",
                    FixedBytesField(
                        editable=False, max_length=16, primary_key=True, serialize=False
                    ),
                ),
                ("happened_at", MillisecondsField(verbose_name="when")),
                ("what", models.CharField(max_length=24, verbose_name="what")),
                ("user_id", UserIdField(max_length=255, verbose_name="user")),
                ("handle", models.CharField(max_length=22, null=True, verbose_name="session")),
                ("reason", models.CharField(max_length=24, null=True, verbose_name="why")),
                ("actor_id", UserIdField(max_length=255, null=True, verbose_name="by")),
                ("ip", models.CharField(max_length=45, null=True, verbose_name="address")),
                ("user_agent", models.CharField(max_length=512, null=True, verbose_name="browser")),
                ("site", FixedBytesField(editable=False, max_length=8)),
                ("facts", models.JSONField(default=dict)),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "session events",
                "db_table": "sessionstore_event",
                "indexes": [
                    models.Index(fields=["user_id", "id"], name="sessionstore_event_of_user")
                ],
            },
        ),
    ]
