"""Users whose keys are a UUID, a text, and a user that is another one too."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import User
from django.db import models


class UserManager(BaseUserManager):
    """Makes users for tests."""

    def create_user(self, username: str, password: str, **fields: object) -> "BaseUser":
        """Return a saved user."""
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save()
        return user


class BaseUser(AbstractBaseUser):
    """As little as a user can be."""

    username = models.CharField(max_length=50, unique=True)
    is_active = models.BooleanField(default=True)
    objects = UserManager()
    USERNAME_FIELD = "username"

    class Meta:
        abstract = True


class UuidUser(BaseUser):
    """Known by a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class TextUser(BaseUser):
    """Known by a text that the site chooses."""

    id = models.CharField(primary_key=True, max_length=80)


class PlainUser(models.Model):
    """Not one of Django's: nothing says whether it is active."""

    username = models.CharField(max_length=50, unique=True)
    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ()

    def __str__(self) -> str:
        return self.username


class Staff(User):
    """A child of Django's user: its own table, the same key."""

    office = models.CharField(max_length=20, blank=True)


class Colleague(User):
    """Django's user under another name."""

    class Meta:
        proxy = True
