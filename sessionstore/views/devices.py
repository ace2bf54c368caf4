"""The devices pages: where am I signed in, and end it there."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_protect

from sessionstore.answers.kinds import wants_json
from sessionstore.answers.places import NEW_PASSWORD, url_of
from sessionstore.conf import conf
from sessionstore.decorators import session_of
from sessionstore.known_devices import listing
from sessionstore.known_devices.listing import KnownBrowser
from sessionstore.users import devices
from sessionstore.users.devices import Device, DevicePage
from sessionstore.users.words import names_nothing

from .history import recent_activity
from .logout import ended_whatever_is_raised
from .own_pages import EndView, Facts, OwnPage, done, in_json


class DevicesView(OwnPage):
    """List the live sessions of the user who asks, as a page or as JSON."""

    template_name = "sessionstore/devices.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Show one page of the list."""
        session = session_of(request)
        page = devices.list_devices(request.user, session, number=self.number)
        known, named = listing.beside(request, session, page.devices)
        page = replace(page, devices=named)

        def facts() -> Facts:
            is_first = page.number == 1
            return {
                "title": _("Your devices"),
                "page": page,
                "known": known if is_first else [],
                "activity": recent_activity(request.user) if is_first else None,
                **kwargs,
            }

        return self.shown(json=lambda: _list_in_json(page, known), page=facts)


@method_decorator(csrf_protect, name="dispatch")
class DeviceView(OwnPage):
    """Show one of them with all that is known of it; a POST gives it a name."""

    template_name = "sessionstore/device.html"

    def get(self, request: HttpRequest, handle: str) -> HttpResponse:
        """Show it; 404 when it has ended, or is nobody's or somebody else's."""
        session = session_of(request)
        found = devices.find_device(request.user, session, handle)
        if found is None:
            raise Http404
        [device] = listing.beside(request, session, [found])[1]

        def facts() -> Facts:
            return {
                "title": device.title,
                "device": device,
                "can_name": devices.can_name(session),
                "leads_on": url_of(NEW_PASSWORD) is not None,
            }

        return self.shown(json=lambda: _device_in_json(device), page=facts)

    def post(self, request: HttpRequest, handle: str) -> HttpResponse:
        """Take the name, for all that is known of the device; an empty one takes it away."""
        name, session = request.POST.get("name", ""), session_of(request)
        if not devices.rename(request.user, session, handle, name):
            raise Http404
        listing.rename_of_session(request.user, handle, name)
        if wants_json(request):
            return JsonResponse({"name": name})
        messages.success(request, _("The name is saved."), fail_silently=True)
        return redirect("sessionstore:device", handle)


class RevokeView(EndView):
    """End the session that a handle names, if it is one of the user's own."""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Come back to the device that was to be signed out, where its button is."""
        super().setup(request, *args, **kwargs)
        if handle := request.POST.get("handle", ""):
            self.recent_login_next = _page_of_device(handle)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Delete it; the next request of that browser is anonymous."""
        session, handle = session_of(request), request.POST.get("handle", "")
        if handle == session.handle:
            with ended_whatever_is_raised(request):
                logout(request)
            return done(request, 1)
        if devices.is_blind(session):
            messages.warning(request, devices.not_seen(session), fail_silently=True)
            return done(request, 0)
        device = devices.find_device(request.user, session, handle)
        if device is not None:
            [device] = listing.beside(request, session, [device])[1]
        if not devices.revoke(request.user, session, handle):
            messages.info(request, _("That device was signed out already."), fail_silently=True)
            return done(request, 0)
        messages.success(request, _signed_out_of(device), fail_silently=True)
        return self._to_new_password(request) or done(request, 1)

    def _to_new_password(self, request: HttpRequest) -> HttpResponse | None:
        """Whoever used a device that nobody knows has the password too, or may have it."""
        if "unknown" not in request.POST or wants_json(request):
            return None
        text = _("Now change your password: whoever signed in there may know it.")
        messages.warning(request, text, fail_silently=True)
        url = url_of(NEW_PASSWORD)
        return redirect(url) if url else None


def _signed_out_of(device: Device | None) -> str:
    """Return what a user reads; a browser of which nothing is known has no name to be called by."""
    if device is None or names_nothing(device.title):
        return _("That device is signed out.")
    return _("Signed out of %(device)s.") % {"device": device.title}


class RevokeOthersView(EndView):
    """End every session of the user but the one that asks."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Delete them and say how many there were."""
        if devices.is_blind(session_of(request)):
            messages.warning(request, devices.not_seen(session_of(request)), fail_silently=True)
            return done(request, 0)
        count = devices.revoke_others(request.user, session_of(request))
        text = ngettext("Signed out on %(n)d device.", "Signed out on %(n)d devices.", count)
        messages.success(request, text % {"n": count}, fail_silently=True)
        return done(request, count)


def _page_of_device(handle: str) -> str:
    # Of what is no handle there is no page.
    return url_of(("sessionstore:device",), handle) or reverse("sessionstore:devices")


def _list_in_json(page: DevicePage, known: list[KnownBrowser]) -> Facts:
    found = [_device_in_json(device) for device in page.devices]
    more: Facts = {"page": page.number, "has_next": page.has_next, "not_seen": page.not_seen}
    if conf.known_devices is not None:
        more["known_devices"] = list(map(known_in_json, known))
    return {"devices": found, **more}


def _device_in_json(device: Device) -> Facts:
    return {**in_json(device), "url": _page_of_device(device.handle)}


def known_in_json(browser: KnownBrowser) -> Facts:
    """Return a known device, with the handles of its sessions."""
    handles = [device.handle for device in browser.sessions]
    url = reverse("sessionstore:known_device", args=[browser.handle])
    return {**in_json(replace(browser, sessions=[])), "sessions": handles, "url": url}
