"""Sign out: by POST only, after a GET that asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

from sessionstore.conf import conf
from sessionstore.exceptions import SessionUnreadable
from sessionstore.signals import Reason


@contextmanager
def ended_whatever_is_raised(request: HttpRequest) -> Iterator[None]:
    """End the session of a request also where its logout fails; what was raised goes up.

    Security: Django sends ``user_logged_out`` before it ends the session. A receiver of somebody
    else's that raises would keep it alive.
    """
    session: Any = request.session
    try:
        yield
    except Exception:
        session.ends_because = Reason.LOGOUT
        session.flush()
        raise


@method_decorator(login_not_required, name="dispatch")
class LogoutView(auth_views.LogoutView):
    """End the session of this browser and say so.

    Security: only POST ends anything (ASVS 3.5.3). A GET, which any page on the web can cause,
    shows a button. Somebody whose session has ended already gets the signed-out page too, not a
    request to sign in, so that a second click looks like the first.
    """

    http_method_names = ["get", "head", "post", "options"]
    template_name = "sessionstore/logged_out.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask first; whoever is not signed in reads that."""
        if request.user.is_authenticated:
            self.template_name = "sessionstore/logout.html"
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign out, and ask the browser to forget what the site has chosen (ASVS 14.3.1)."""
        try:
            with ended_whatever_is_raised(request):
                response = super().post(request, *args, **kwargs)
        except SessionUnreadable:
            # To end a session nobody has to read it.
            response = super().post(request, *args, **kwargs)
        if conf.clear_site_data:
            kinds = ", ".join(f'"{kind}"' for kind in conf.clear_site_data)
            response.headers["Clear-Site-Data"] = kinds
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Hand `next` on, once it has been found to be an allowed place."""
        signed_in = self.request.user.is_authenticated
        return {
            **super().get_context_data(**kwargs),
            self.redirect_field_name: self.get_redirect_url(),
            "title": _("Sign out") if signed_in else _("You are signed out"),
        }
