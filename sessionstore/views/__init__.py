"""The pages, one module for each subject."""

from sessionstore.views.binding import refresh, register
from sessionstore.views.devices import DevicesView, RevokeOthersView, RevokeView
from sessionstore.views.idle import extend, status
from sessionstore.views.login import ConfirmView, LoginView
from sessionstore.views.logout import LogoutView

__all__ = [
    "ConfirmView",
    "DevicesView",
    "LoginView",
    "LogoutView",
    "RevokeOthersView",
    "RevokeView",
    "extend",
    "refresh",
    "register",
    "status",
]
