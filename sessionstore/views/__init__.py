"""The pages, one module for each subject."""

from .devices import DevicesView, RevokeOthersView, RevokeView
from .idle import extend, status
from .login import ConfirmView, LoginView
from .logout import LogoutView

__all__ = [
    "ConfirmView",
    "DevicesView",
    "LoginView",
    "LogoutView",
    "RevokeOthersView",
    "RevokeView",
    "extend",
    "status",
]
