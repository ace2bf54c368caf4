"""A site that signs in with something else."""

from django.urls import include, path

urlpatterns = [path("me/", include("sessionstore.urls.devices"))]
