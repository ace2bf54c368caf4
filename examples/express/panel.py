"""The panel on each page of the Django half: the row that both halves share."""

import json
import os
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest

from sessionstore.core.express_format import unsign
from sessionstore.express.store import ExpressStore


def shared_row(request: HttpRequest) -> dict[str, Callable[[], str]]:
    """Offer the stored JSON to templates, and the address of the other half."""
    host = request.get_host().rpartition(":")[0]
    port = os.environ.get("DEMO_EXPRESS_PORT", "3000")
    return {"shared_row": lambda: _stored(request), "other_half": lambda: f"http://{host}:{port}/"}


def _stored(request: HttpRequest) -> str:
    key = request.session.session_key or ""
    sid = unsign(key, settings.SESSIONSTORE_EXPRESS["secrets"])
    session = ExpressStore().get(sid) if sid else None
    if session is None:
        return ""
    if "_auth_user_hash" in session:
        session["_auth_user_hash"] = f"{session['_auth_user_hash'][:6]}…"
    return json.dumps(session, indent=2, ensure_ascii=False)
