"""What the servers import."""

import os
from importlib import import_module

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.faults.served.settings"

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

wsgi = get_wsgi_application()
asgi = get_asgi_application()
import_module(settings.ROOT_URLCONF)  # or each worker would do it at its first request

if settings.SITE["at_import"]:
    # A module of the site that looks at sessions while it is imported, before the server forks.
    early = import_module(settings.SESSION_ENGINE).SessionStore()
    early["early"] = True
    early.save()
    assert type(early)(early.session_key)["early"]
    early.delete()
