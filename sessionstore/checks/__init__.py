"""System checks: what is wrong with a configuration, told before the first request meets it.

``manage.py check --tag sessionstore --deploy --database default`` runs them all. One module per
topic; docs/checks.md lists the ids.
"""

from django.core.checks import Tags, register

from . import caching, cleanup, databases, deployment, encryption, express, moving, settings

TAG = "sessionstore"

for check in (
    *settings.CHECKS,
    *express.CHECKS,
    *encryption.CHECKS,
    *caching.CHECKS,
    *moving.CHECKS,
    *databases.CHECKS,
):
    register(check, TAG)
for check in deployment.CHECKS:
    register(check, TAG, deploy=True)
for check in (*express.DATABASE_CHECKS, *cleanup.CHECKS, *databases.DATABASE_CHECKS):
    register(check, TAG, Tags.database)
