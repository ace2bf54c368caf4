"""A name that its user has given to the device."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessionstore", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="device_name",
            field=models.CharField(max_length=64, null=True, verbose_name="name"),
        ),
    ]
