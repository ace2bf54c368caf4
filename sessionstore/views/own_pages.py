"""What the pages about one's own sessions, devices and history share."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.generic import TemplateView, View

from sessionstore.answers.kinds import wants_json
from sessionstore.conf.zones import aware
from sessionstore.decorators import RecentLoginRequiredMixin, SignedInMixin, not_impersonated

_LONGEST_NUMBER = 5
Facts = dict[str, Any]


# Both send visitors to the login themselves, with a way back that is no POST.
@method_decorator([login_not_required, never_cache, not_impersonated], name="dispatch")
class OwnPage(SignedInMixin, TemplateView):
    """Something that its user alone may see, as a page or as JSON."""

    def shown(self, *, json: Callable[[], Facts], page: Callable[[], Facts]) -> HttpResponse:
        """Return what the request wants: an object of JSON, or the template with its context."""
        if wants_json(self.request):
            response: HttpResponse = JsonResponse(json())
        else:
            response = self.render_to_response(self.get_context_data(**page()))
        patch_vary_headers(response, ("Accept",))
        return response

    @property
    def number(self) -> int:
        """Which part of a list is asked for. Raises Http404 for what is no number of one."""
        text = self.request.GET.get("page", "1")
        if not (text.isdecimal() and len(text) <= _LONGEST_NUMBER and int(text)):
            raise Http404
        return int(text)


@method_decorator([login_not_required, csrf_protect], name="dispatch")
class EndView(RecentLoginRequiredMixin, View):
    """A POST that ends something: with a recent login, and back to the list."""

    http_method_names = ["post", "options"]
    recent_login_next: str | None = "sessionstore:devices"


def done(request: HttpRequest, count: int) -> HttpResponse:
    """Return the way back to the list, or as JSON how many sessions were ended."""
    if wants_json(request):
        return JsonResponse({"signed_out": count})
    return redirect("sessionstore:devices")


def in_json(described: Any) -> Facts:
    """Return the facts of something described in words, with its moments in UTC."""
    facts = asdict(described)
    moments = {
        name: aware(fact).isoformat() for name, fact in facts.items() if isinstance(fact, datetime)
    }
    return {**facts, **moments}
