"""System checks: what is wrong with a configuration, told before the first request meets it.

``manage.py check --tag sessionstore --deploy --database default`` runs them all. One module per
topic, in ``options`` one for each feature that is off by default; docs/checks.md lists the ids.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.checks import CheckMessage, Tags
from django.core.checks import register as register_at_django

from sessionstore.checks import (
    caching,
    cleanup,
    databases,
    deployment,
    express,
    pages,
    place,
    settings,
)
from sessionstore.checks.options import binding, history, known_devices, oidc
from sessionstore.exceptions import WrongSetting

TAG = "sessionstore"
Check = Callable[..., list[CheckMessage]]


def register(check: Check, *tags: str, deploy: bool = False) -> None:
    """Register a check. A setting that it reads may be wrong or missing: E001 or E050 tells."""

    @wraps(check)
    def run(**options: Any) -> list[CheckMessage]:
        try:
            return check(**options)
        except WrongSetting:
            return []

    register_at_django(run, TAG, *tags, deploy=deploy)


for check in (
    *settings.CHECKS,
    *express.CHECKS,
    *binding.CHECKS,
    *known_devices.CHECKS,
    *oidc.CHECKS,
    *caching.CHECKS,
    *pages.CHECKS,
    *place.CHECKS,
):
    register(check)
for check in deployment.CHECKS:
    register(check, deploy=True)
for check in (
    *place.DATABASE_CHECKS,
    *express.DATABASE_CHECKS,
    *cleanup.DATABASE_CHECKS,
    *history.DATABASE_CHECKS,
    *databases.DATABASE_CHECKS,
    *oidc.DATABASE_CHECKS,
):
    register(check, Tags.database)
# The first migrate runs the checks above before it makes the table; these would stop it, or tell
# a developer what a developer does not need.
for check in (
    *place.DEPLOYMENT_CHECKS,
    *databases.DEPLOYMENT_CHECKS,
    *history.DEPLOYMENT_CHECKS,
    *deployment.DATABASE_CHECKS,
):
    register(check, Tags.database, deploy=True)
