"""The pages of a provider's sign-out, where the documentation puts them."""

from django.urls import include, path

urlpatterns = [
    path("account/", include("sessionstore.urls")),
    path("oidc/", include("sessionstore.urls.oidc")),
]
