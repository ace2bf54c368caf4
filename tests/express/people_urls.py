"""The steps of both halves, and the pages about one's own sessions."""

from django.contrib.auth.views import PasswordChangeView
from django.urls import path

from tests import urls as pages
from tests.express import urls as steps

change = PasswordChangeView.as_view(
    template_name="admin/login.html", success_url="/account/devices/"
)
urlpatterns = [*steps.urlpatterns, *pages.urlpatterns, path("password/", change)]
