"""The site as gunicorn and uvicorn serve it; `BENCH_SITE` says with which engine."""

import os

from bench import machine

machine.hide_telemetry()
os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"

from django.core.asgi import get_asgi_application  # noqa: E402 - the settings come first
from django.core.wsgi import get_wsgi_application  # noqa: E402

wsgi = get_wsgi_application()
asgi = get_asgi_application()
