"""The table of tests/owntable."""

from django.db import migrations, models

import sessionstore.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ShopSession",
            fields=[
                (
                    "digest",
                    sessionstore.models.DigestField(
                        max_length=32, primary_key=True, serialize=False
                    ),
                ),
                ("data", models.BinaryField()),
                ("version", models.BigIntegerField()),
                (
                    "user_id",
                    sessionstore.models.UserIdField(
                        db_index=True, max_length=255, null=True, verbose_name="user"
                    ),
                ),
                ("created_at", sessionstore.models.MillisecondsField(verbose_name="created")),
                (
                    "authenticated_at",
                    sessionstore.models.MillisecondsField(null=True, verbose_name="signed in"),
                ),
                ("last_seen_at", sessionstore.models.MillisecondsField(verbose_name="last seen")),
                (
                    "expires_at",
                    sessionstore.models.MillisecondsField(db_index=True, verbose_name="expires"),
                ),
                ("ip", models.CharField(max_length=45, null=True, verbose_name="address")),
                ("user_agent", models.CharField(max_length=512, null=True, verbose_name="browser")),
                ("cart_total", models.IntegerField(null=True)),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "abstract": False,
            },
        ),
    ]
