"""Sign-out from an OpenID provider: `path("oidc/", include("sessionstore.urls.oidc"))`."""

from django.urls import path

from sessionstore.views.oidc import backchannel_logout, frontchannel_logout

app_name = "sessionstore_oidc"
urlpatterns = [
    path("backchannel-logout/", backchannel_logout, name="backchannel_logout"),
    path("frontchannel-logout/", frontchannel_logout, name="frontchannel_logout"),
]
