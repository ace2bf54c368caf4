"""The table of tests/owntable."""

from django.db import migrations, models

from sessionstore.models import FixedBytesField, MillisecondsField, UserIdField


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ShopSession",
            fields=[
                (
                    "id",
                    FixedBytesField(
                        editable=False, max_length=16, primary_key=True, serialize=False
                    ),
                ),
                ("digest", FixedBytesField(editable=False, max_length=32, unique=True)),
                (
                    "previous_digest",
                    FixedBytesField(db_index=True, editable=False, max_length=32, null=True),
                ),
                ("cycled_at", MillisecondsField(editable=False, null=True)),
                ("data", models.BinaryField()),
                ("version", models.BigIntegerField()),
                (
                    "user_id",
                    UserIdField(db_index=True, max_length=255, null=True, verbose_name="user"),
                ),
                ("created_at", MillisecondsField(verbose_name="created")),
                ("authenticated_at", MillisecondsField(null=True, verbose_name="signed in")),
                ("last_seen_at", MillisecondsField(verbose_name="last seen")),
                ("expires_at", MillisecondsField(db_index=True, verbose_name="expires")),
                ("device_key", models.BinaryField(editable=False, max_length=65, null=True)),
                ("bound_at", MillisecondsField(editable=False, null=True)),
                ("ip", models.CharField(max_length=45, null=True, verbose_name="address")),
                ("user_agent", models.CharField(max_length=512, null=True, verbose_name="browser")),
                ("device_name", models.CharField(max_length=64, null=True, verbose_name="name")),
                ("cart_total", models.IntegerField(null=True)),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "abstract": False,
            },
        ),
    ]
