"""The names that others know sessions by."""

from django.db import migrations, models

from sessionstore.models import FixedBytesField, MillisecondsField, UserIdField


class Migration(migrations.Migration):
    dependencies = [("sessionstore", "0002_session_device_name")]

    operations = [
        migrations.CreateModel(
            name="Link",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", FixedBytesField(editable=False, max_length=32)),
                ("session_id", FixedBytesField(db_index=True, editable=False, max_length=16)),
                ("user_id", UserIdField(max_length=255, null=True, verbose_name="user")),
                ("issuer", models.CharField(max_length=255, verbose_name="issuer")),
                ("created_at", MillisecondsField(verbose_name="created")),
            ],
            options={
                "verbose_name": "link",
                "verbose_name_plural": "links",
                "db_table": "sessionstore_link",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("digest", "session_id"), name="sessionstore_link_once"
                    )
                ],
            },
        ),
    ]
