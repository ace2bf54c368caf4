"""Sign in, on Django's own view."""

from django.contrib.auth import views as auth_views
from django.utils.translation import gettext_lazy as _


class LoginView(auth_views.LoginView):
    """Sign a user in under a new session key; what an anonymous visitor gathered is kept.

    Security: the receiver of `user_logged_in` changes the key at every login, also when the same
    user signs in again (ASVS 7.2.4), so that a key planted before the login is worth nothing.
    """

    template_name = "sessionstore/login.html"
    extra_context = {"title": _("Sign in")}
