"""What the script of the idle warning asks: how long yet, and longer please."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from sessionstore.core.expiry import now_ms
from sessionstore.decorators import does_not_touch, session_of
from sessionstore.users.ended import ended


@login_not_required
@never_cache
@require_safe
@does_not_touch
def status(request: HttpRequest) -> JsonResponse:
    """Return how long the session lives if nobody does anything; asking does not lengthen it."""
    return _answer(request)


@login_not_required
@never_cache
@csrf_protect
@require_POST
def extend(request: HttpRequest) -> JsonResponse:
    """Count as use of the session, then answer like `status`."""
    if request.user.is_authenticated:
        session_of(request).touch()
    return _answer(request)


def _answer(request: HttpRequest) -> JsonResponse:
    """401 and no redirect: a script cannot sign in, it can only tell its reader."""
    if not request.user.is_authenticated:
        end = ended(request.session)
        said = {"why": end.why, "message": end.words} if end else {}
        return JsonResponse({"signed_in": False, **said}, status=401)
    ends_at = session_of(request).expires_at_ms or 0
    return JsonResponse({"signed_in": True, "seconds_left": max(0, ends_at - now_ms()) // 1000})
