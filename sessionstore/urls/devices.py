"""The pages about one's own sessions, for sites that sign in with allauth or SSO."""

from django.urls import path

from sessionstore.views import (
    ConfirmView,
    DevicesView,
    DeviceView,
    ForgetDeviceView,
    HistoryView,
    KnownDeviceView,
    NotMeView,
    ResumeView,
    RevokeOthersView,
    RevokeView,
    extend,
    refresh,
    register,
    status,
)

app_name = "sessionstore"
urlpatterns = [
    path("devices/", DevicesView.as_view(), name="devices"),
    path("devices/revoke/", RevokeView.as_view(), name="revoke"),
    path("devices/revoke-others/", RevokeOthersView.as_view(), name="revoke_others"),
    path("devices/forget/", ForgetDeviceView.as_view(), name="forget_device"),
    path("devices/known/<str:handle>/", KnownDeviceView.as_view(), name="known_device"),
    path("devices/history/", HistoryView.as_view(), name="history"),
    path("devices/<str:handle>/", DeviceView.as_view(), name="device"),
    path("confirm/", ConfirmView.as_view(), name="confirm"),
    path("device/register/", register, name="device_register"),
    path("device/refresh/", refresh, name="device_refresh"),
    path("not-me/", NotMeView.as_view(), name="not_me_send"),
    path("not-me/<str:token>/", NotMeView.as_view(), name="not_me"),
    path("resume/", ResumeView.as_view(), name="resume"),
    path("session/status/", status, name="status"),
    path("session/extend/", extend, name="extend"),
]
