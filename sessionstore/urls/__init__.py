"""All pages: `path("account/", include("sessionstore.urls"))`."""

from django.urls import path

from sessionstore.urls import devices
from sessionstore.views import LoginView, LogoutView

app_name = "sessionstore"
urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    *devices.urlpatterns,
]
