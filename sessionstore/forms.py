"""The forms: sign in, and prove again who you are."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionstore.session.expiring import Lifetime


class LoginForm(AuthenticationForm):
    """Django's form and two choices about this computer. Neither: until the browser closes."""

    keep = forms.BooleanField(
        label=_("Keep me signed in"),
        help_text=_("Also after the browser was closed. Only on a device of your own."),
        required=False,
    )
    shared = forms.BooleanField(
        label=_("This is a shared computer"),
        help_text=_("You are signed out when the browser closes, and soon when you do nothing."),
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        """Refuse the contradiction before the password is looked at: it says nothing of that."""
        if self.cleaned_data.get("keep") and self.cleaned_data.get("shared"):
            message = _("Nobody should stay signed in on a shared computer: choose one of the two.")
            raise ValidationError(message, code="contradiction")
        return super().clean()

    @property
    def lifetime(self) -> Lifetime:
        """What the two choices come to."""
        if self.cleaned_data.get("shared"):
            return Lifetime.SHARED
        return Lifetime.KEPT if self.cleaned_data.get("keep") else Lifetime.BROWSER


class ConfirmForm(forms.Form):
    """The password of the user who is signed in."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    def clean_password(self) -> str:
        """Ask the backends, so that whatever slows guessing down at the login does so here."""
        password: str = self.cleaned_data["password"]
        user = self.request.user
        found = authenticate(self.request, username=user.get_username(), password=password)
        if found is None or found.pk != user.pk:
            raise ValidationError(_("That is not your password."), code="wrong")
        return password
