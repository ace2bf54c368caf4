"""The pages of sites that sign in by a provider, and what the provider calls."""

from django.urls import include, path
from django_cas_ng import views as cas

from tests.ecosystem import views

urlpatterns = [
    path("data/", views.data),
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("oidc/", include("sessionstore.urls.oidc")),
    path("accounts/", include("allauth.urls")),
    path("cas/login/", cas.LoginView.as_view(), name="cas_ng_login"),
]
