"""The pages, one module for each subject."""

from sessionstore.views.binding import refresh, register
from sessionstore.views.devices import DevicesView, DeviceView, RevokeOthersView, RevokeView
from sessionstore.views.history import HistoryView
from sessionstore.views.idle import extend, status
from sessionstore.views.known_devices import ForgetDeviceView, KnownDeviceView, NotMeView
from sessionstore.views.login import ConfirmView, LoginView
from sessionstore.views.logout import LogoutView
from sessionstore.views.resume import ResumeView

__all__ = [
    "ConfirmView",
    "DeviceView",
    "DevicesView",
    "ForgetDeviceView",
    "HistoryView",
    "KnownDeviceView",
    "LoginView",
    "LogoutView",
    "NotMeView",
    "ResumeView",
    "RevokeOthersView",
    "RevokeView",
    "extend",
    "refresh",
    "register",
    "status",
]
