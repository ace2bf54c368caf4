from allauth.headless import urls as headless_urls
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django_otp.views import LoginView as OtpLoginView
from two_factor.urls import urlpatterns as two_factor_urls
from wagtail.admin import urls as wagtail_urls

from tests.ecosystem import views
from tests.ecosystem.rest import ninja

urlpatterns = [
    path("data/", views.data),
    path("set/<str:name>/<str:value>/", views.set_value),
    path("note/<str:text>/", views.note),
    path("page/", views.page),
    path("form/", views.form),
    path("async-login/", views.async_login),
    path("async-logout/", views.async_logout),
    path("login/", auth_views.LoginView.as_view(template_name="login.html"), name="login"),
    path("logout/", auth_views.LogoutView.as_view(next_page="/data/"), name="logout"),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include(headless_urls)),
    path("hijack/", include("hijack.urls")),
    path("impersonate/", include("impersonate.urls")),
    path("loginas/", include("loginas.urls")),
    path("account/", include("sessionstore.urls")),
    path("careful/", views.careful),
    path("strong/", views.strong),
    path("otp-login/", OtpLoginView.as_view(template_name="login.html"), name="otp-login"),
    path("two-factor/", include(two_factor_urls)),
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("social/", include("social_django.urls")),
    path("rest/", include("tests.ecosystem.rest")),
    path("ninja/", ninja.urls),
    path("cms/", include(wagtail_urls)),
    path("__debug__/", include("debug_toolbar.urls")),
]
