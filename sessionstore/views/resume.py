"""The form that waited for a login: look at it, and send it or not."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_deny
from django.views.decorators.csrf import csrf_protect
from django.views.generic import TemplateView

from sessionstore.answers import kept
from sessionstore.decorators import RecentLoginRequiredMixin, not_impersonated


@method_decorator(
    [login_not_required, never_cache, not_impersonated, csrf_protect, xframe_options_deny],
    name="dispatch",
)
class ResumeView(RecentLoginRequiredMixin, RedirectURLMixin, TemplateView):
    """Offer the form again, with its values to be seen; nothing is sent without a click.

    Security: it goes to the address that it was sent to before, with a new CSRF token, and never
    from inside a frame of another site.
    """

    template_name = "sessionstore/resume.html"
    next_page = "sessionstore:devices"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show it; go on to the page that it came from where there is none (any more)."""
        form = kept.kept(request)
        if form is None:
            return HttpResponseRedirect(self.get_success_url())
        self.extra_context = {"title": _("Your form was not sent yet"), "form": form}
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Drop it."""
        kept.forget(request.session)
        return HttpResponseRedirect(self.get_success_url())
