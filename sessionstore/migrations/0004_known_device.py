"""The browsers that users have signed in with before."""

from django.db import migrations, models

from sessionstore.models import FixedBytesField, MillisecondsField, UserIdField


class Migration(migrations.Migration):
    dependencies = [("sessionstore", "0003_link")]

    operations = [
        migrations.CreateModel(
            name="KnownDevice",
            fields=[
                (
                    "id",
                    FixedBytesField(
                        editable=False, max_length=16, primary_key=True, serialize=False
                    ),
                ),
                ("user_id", UserIdField(db_index=True, max_length=255, verbose_name="user")),
                ("digest", FixedBytesField(editable=False, max_length=32)),
                ("previous_digest", FixedBytesField(editable=False, max_length=32, null=True)),
                ("site", FixedBytesField(editable=False, max_length=8)),
                ("fingerprint", FixedBytesField(editable=False, max_length=16)),
                ("seal", FixedBytesField(editable=False, max_length=16, null=True)),
                ("trusted_until", MillisecondsField(null=True, verbose_name="trusted until")),
                ("name", models.CharField(max_length=64, null=True, verbose_name="name")),
                ("ip", models.CharField(max_length=45, null=True, verbose_name="address")),
                ("user_agent", models.CharField(max_length=512, null=True, verbose_name="browser")),
                ("created_at", MillisecondsField(verbose_name="first sign-in")),
                ("signed_in_at", MillisecondsField(db_index=True, verbose_name="last sign-in")),
            ],
            options={
                "verbose_name": "known device",
                "verbose_name_plural": "known devices",
                "db_table": "sessionstore_known_device",
            },
        ),
    ]
