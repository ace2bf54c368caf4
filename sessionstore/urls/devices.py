"""The pages about one's own sessions, for sites that sign in with allauth or SSO."""

from django.urls import URLPattern

app_name = "sessionstore"
urlpatterns: list[URLPattern] = []
