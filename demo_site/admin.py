"""The admin of the shop's users, which shows where each is signed in."""

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import User

from sessionstore.admin import UserSessionsMixin

admin.site.unregister(User)


@admin.register(User)
class UserAdmin(UserSessionsMixin, auth.UserAdmin):
    """Django's, with the sessions of the user."""
