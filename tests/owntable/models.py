"""A session table of one's own, with an extra column: what docs/extending.md shows."""

from django.db import models

from sessionstore.models import AbstractSession


class ShopSession(AbstractSession):
    """Sessions that the shop can search by the total of the cart."""

    cart_total = models.IntegerField(null=True)

    class Meta(AbstractSession.Meta):
        app_label = "owntable"
