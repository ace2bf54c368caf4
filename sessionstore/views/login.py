"""Sign in, on Django's own view; and prove again who you are."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from sessionstore.answers.kinds import wants_json
from sessionstore.answers.places import FORGOTTEN_PASSWORD, url_of
from sessionstore.answers.refusals import ask_script, go_on
from sessionstore.core.sign_ins.methods import PASSWORD
from sessionstore.decorators import SignedInMixin, not_impersonated, session_of
from sessionstore.forms import ConfirmForm, LoginForm

if TYPE_CHECKING:
    _FormView = FormView[ConfirmForm]
else:
    _FormView = FormView


class _AsksPassword:
    """What a page that asks for a password says beside it, and to a script."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Tell where the project helps those who have forgotten their password."""
        view: Any = super()
        return {**view.get_context_data(**kwargs), "forgotten_url": url_of(FORGOTTEN_PASSWORD)}

    def form_invalid(self, form: Any) -> HttpResponse:
        """Say what is wrong: to a script that wants no page, in JSON."""
        view: Any = super()
        if not wants_json(cast("Any", self).request):
            return cast("HttpResponse", view.form_invalid(form))
        errors = form.errors.get_json_data()
        return JsonResponse({"error": "invalid", "errors": errors}, status=400)


class LoginView(_AsksPassword, auth_views.LoginView):
    """Sign a user in under a new session key; what an anonymous visitor gathered is kept.

    Security: the receiver of `user_logged_in` changes the key at every login, also when the same
    user signs in again (ASVS 7.2.4), so that a key planted before the login is worth nothing.
    """

    form_class = LoginForm
    template_name = "sessionstore/login.html"
    extra_context = {"title": _("Sign in")}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form; a script that has followed a redirect gets no page, but where to go."""
        told = (
            None if request.user.is_authenticated else ask_script(request, self.get_redirect_url())
        )
        return told or super().get(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Sign in, then let the session live as long as the user chose for this computer."""
        response = super().form_valid(form)
        session = session_of(self.request)
        if session.left_user_id is not None:
            # Somebody else was signed in: the receiver cannot know that the password was given.
            session.mark_authenticated(PASSWORD)
        session.set_lifetime(form.lifetime)
        return go_on(self.request, response.headers["Location"])


@method_decorator(
    [login_not_required, sensitive_post_parameters(), csrf_protect, never_cache, not_impersonated],
    name="dispatch",
)
class ConfirmView(SignedInMixin, _AsksPassword, auth_views.RedirectURLMixin, _FormView):
    """Ask the user who is signed in for the password once more (ASVS 7.5.1).

    Security: the key changes here too (ASVS 7.2.4).
    """

    form_class = ConfirmForm
    template_name = "sessionstore/confirm.html"
    extra_context = {"title": _("Confirm that it is you")}
    next_page = "sessionstore:devices"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form; a script that has followed a redirect gets no page, but where to go."""
        return ask_script(request, self.get_redirect_url()) or super().get(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        """Hand the form the request: the backends want it."""
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: ConfirmForm) -> HttpResponse:  # noqa: ARG002 - it has said enough
        """Stamp the session, and go on to where the user wanted to go."""
        session = session_of(self.request)
        # Security: in this order. The new key may be given to a session that by now is another's.
        session.mark_authenticated(PASSWORD)
        session.cycle_key()
        return go_on(self.request, self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Hand `next` on, once it has been found to be an allowed place."""
        come_back = {self.redirect_field_name: self.get_redirect_url()}
        return {**super().get_context_data(**kwargs), **come_back}
