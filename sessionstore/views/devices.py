"""The devices page: where am I signed in, and end it there."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.generic import TemplateView, View

from sessionstore.decorators import RecentLoginRequiredMixin, not_impersonated, session_of
from sessionstore.users import devices

from .logout import ended_whatever_is_raised


@method_decorator([never_cache, not_impersonated], name="dispatch")
class DevicesView(LoginRequiredMixin, TemplateView):
    """List the live sessions of the user who asks."""

    template_name = "sessionstore/devices.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Hand the template one page of the list."""
        number = self.request.GET.get("page", "1")
        if not (number.isdecimal() and len(number) < 6 and int(number)):
            raise Http404
        page = devices.list_devices(self.request.user, session_of(self.request), number=int(number))
        return {**super().get_context_data(**kwargs), "title": _("Your devices"), "page": page}


# It sends visitors to the login itself, with a way back that is no POST.
@method_decorator([login_not_required, csrf_protect], name="dispatch")
class _EndView(RecentLoginRequiredMixin, View):
    """A POST that ends something: with a recent login, and back to the list."""

    http_method_names = ["post", "options"]
    recent_login_next = "sessionstore:devices"


class RevokeView(_EndView):
    """End the session that a handle names, if it is one of the user's own."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Delete it; the next request of that browser is anonymous."""
        handle = request.POST.get("handle", "")
        if handle == session_of(request).handle:
            with ended_whatever_is_raised(request):
                logout(request)
        elif devices.is_blind(session_of(request)):
            messages.warning(request, devices.not_seen(session_of(request)), fail_silently=True)
        elif devices.revoke(request.user, session_of(request), handle):
            messages.success(request, _("Signed out there."), fail_silently=True)
        else:
            messages.info(request, _("That session had already ended."), fail_silently=True)
        return redirect("sessionstore:devices")


class RevokeOthersView(_EndView):
    """End every session of the user but the one that asks."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Delete them and say how many there were."""
        if devices.is_blind(session_of(request)):
            messages.warning(request, devices.not_seen(session_of(request)), fail_silently=True)
            return redirect("sessionstore:devices")
        count = devices.revoke_others(request.user, session_of(request))
        text = ngettext("Signed out on %(n)d device.", "Signed out on %(n)d devices.", count)
        messages.success(request, text % {"n": count}, fail_silently=True)
        return redirect("sessionstore:devices")
