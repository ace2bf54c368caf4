"""The pages about known devices: one of them, its end, and "this was not me" from a mail."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import View

from sessionstore.answers.kinds import wants_json
from sessionstore.answers.places import FORGOTTEN_PASSWORD, NEW_PASSWORD, url_of
from sessionstore.decorators import session_of
from sessionstore.known_devices import listing, logins, reports

from .devices import known_in_json
from .logout import ended_whatever_is_raised
from .own_pages import EndView, OwnPage, done


@method_decorator(csrf_protect, name="dispatch")
class KnownDeviceView(OwnPage):
    """Show a known device; a POST gives it a name, which its sessions have too."""

    template_name = "sessionstore/known_device.html"

    def get(self, request: HttpRequest, handle: str) -> HttpResponse:
        """Show it; 404 when it is forgotten, or nobody's, or somebody else's."""
        browser = listing.find(request, session_of(request), handle)
        if browser is None:
            raise Http404
        return self.shown(
            json=lambda: known_in_json(browser),
            page=lambda: {"title": browser.title, "device": browser},
        )

    def post(self, request: HttpRequest, handle: str) -> HttpResponse:
        """Take the name; an empty one takes it away."""
        name = request.POST.get("name", "")
        if not listing.rename(request.user, session_of(request), handle, name):
            raise Http404
        if wants_json(request):
            return JsonResponse({"name": name})
        messages.success(request, _("The name is saved."), fail_silently=True)
        return redirect("sessionstore:known_device", handle)


class ForgetDeviceView(EndView):
    """Forget a known device, and end its sessions: also the one that asks, if it is there."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Do it; the browser loses its token when it is the one."""
        session, handle = session_of(request), request.POST.get("handle", "")
        browser = listing.find(request, session, handle)
        if browser is None:
            messages.info(request, _("That device was forgotten already."), fail_silently=True)
            return done(request, 0)
        cookie, ended = listing.value_without(request, handle), 0
        if listing.is_where(session, handle):
            with ended_whatever_is_raised(request):
                logout(request)
            ended = 1
        ended += listing.end(session, handle)
        text = _("%(device)s is forgotten and signed out.") % {"device": browser.title}
        messages.success(request, text, fail_silently=True)
        response = done(request, ended)
        if cookie is not None:
            logins.send(response, cookie)
        return response


@method_decorator(
    [login_not_required, sensitive_post_parameters(), never_cache, csrf_protect], name="dispatch"
)
class NotMeView(View):
    """ "This was not me": sign a device out and forget it, by the link of a mail.

    Security: whoever has the link can do that and nothing else; nobody is signed in by it, and the
    answer to whatever is wrong with it is one and the same. A GET changes nothing, since programs
    follow the links of mails; the form is sent to an address without the token, which so stands in
    no record of a POST that failed. ``Referrer-Policy`` is not ``no-referrer``: browsers would send
    the form with ``Origin: null``, which Django refuses.
    """

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, token: str = "") -> HttpResponse:
        """Ask; nothing is changed."""
        report = reports.read(token)
        if report is None:
            return self._page(request, "gone")
        return self._page(request, "asks", report=report, token=token)

    def post(self, request: HttpRequest, token: str = "") -> HttpResponse:  # noqa: ARG002 - it is in the form
        """Sign the device out, and lead on to a new password."""
        report = reports.read(request.POST.get("token", ""))
        if report is None:
            return self._page(request, "gone")
        report.carry_out()
        # Security: who is signed in as somebody else would be led to change that one's password.
        own = request.user.is_authenticated and report.is_of(request.user)
        return self._page(request, "done", report=report, is_own=own)

    def _page(self, request: HttpRequest, step: str, **facts: Any) -> HttpResponse:
        names = NEW_PASSWORD if facts.get("is_own") else FORGOTTEN_PASSWORD
        context = {"title": _("This was not me"), "step": step, "leads_to": url_of(names), **facts}
        response = render(request, "sessionstore/not_me.html", context)
        response.headers["Referrer-Policy"] = "strict-origin"
        return response
