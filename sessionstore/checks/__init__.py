"""System checks: what is wrong with a configuration, told before the first request meets it.

``manage.py check --tag sessionstore --deploy --database default`` runs them all. One module per
topic, in ``options`` one for each feature that is off by default; docs/checks.md lists the ids.

Optimization: their modules, and those of the engines that they look at, are imported when checks
run. A web process runs none, and starts with a hundred modules fewer.
"""

from collections.abc import Callable
from typing import Any

from django.core.checks import CheckMessage, Tags, register
from django.utils.module_loading import import_string

from sessionstore.exceptions import WrongSetting

TAG = "sessionstore"
Check = Callable[..., list[CheckMessage]]

SITE = (
    *("settings.CHECKS", "express.CHECKS", "caching.CHECKS", "pages.CHECKS", "place.CHECKS"),
    *("options.binding.CHECKS", "options.known_devices.CHECKS", "options.oidc.CHECKS"),
)
DATABASE = (
    *("place.DATABASE_CHECKS", "express.DATABASE_CHECKS", "cleanup.DATABASE_CHECKS"),
    *("databases.DATABASE_CHECKS", "options.history.DATABASE_CHECKS"),
    "options.oidc.DATABASE_CHECKS",
)
# The first migrate runs the checks above before it makes the table; these would stop it, or tell
# a developer what a developer does not need.
DEPLOYED_DATABASE = (
    *("place.DEPLOYMENT_CHECKS", "databases.DEPLOYMENT_CHECKS", "deployment.DATABASE_CHECKS"),
    "options.history.DEPLOYMENT_CHECKS",
)


def check_site(**options: Any) -> list[CheckMessage]:
    """Check what needs no database."""
    return _run(SITE, options)


def check_deployed_site(**options: Any) -> list[CheckMessage]:
    """Check what only a deployed site needs."""
    return _run(("deployment.CHECKS",), options)


def check_database(**options: Any) -> list[CheckMessage]:
    """Check what the databases say that a command names."""
    return _run(DATABASE, options)


def check_deployed_database(**options: Any) -> list[CheckMessage]:
    """Check what only the databases of a deployed site need."""
    return _run(DEPLOYED_DATABASE, options)


register(check_site, TAG)
register(check_deployed_site, TAG, deploy=True)
register(check_database, TAG, Tags.database)
register(check_deployed_database, TAG, Tags.database, deploy=True)


def _run(places: tuple[str, ...], options: dict[str, Any]) -> list[CheckMessage]:
    """Run the lists of checks that are named, each ``module.LIST``."""
    checks = (check for place in places for check in import_string(f"{__name__}.{place}"))
    return [message for check in checks for message in _told_by(check, options)]


def _told_by(check: Check, options: dict[str, Any]) -> list[CheckMessage]:
    """Run a check. A setting that it reads may be wrong or missing: E001 or E050 tells."""
    try:
        return check(**options)
    except WrongSetting:
        return []
