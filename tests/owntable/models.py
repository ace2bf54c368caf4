"""A session table of one's own, with an extra column: what docs/extending.md shows."""

from django.db import models

from sessionstore.models import AbstractSession


class ShopSession(AbstractSession):
    """Sessions that the shop can search by the total of the cart."""

    cart_total = models.IntegerField(null=True)

    class Meta(AbstractSession.Meta):
        app_label = "owntable"


class LinkedSession(AbstractSession):
    """Sessions that the three models below refer to, by the primary key that never changes."""

    class Meta(AbstractSession.Meta):
        app_label = "owntable"


class Basket(models.Model):
    """Goes with its session."""

    session = models.ForeignKey(LinkedSession, models.CASCADE)

    def __str__(self):
        return f"{type(self).__name__} {self.pk}"


class Receipt(models.Model):
    """Outlives its session."""

    session = models.ForeignKey(LinkedSession, models.SET_NULL, null=True)

    def __str__(self):
        return f"{type(self).__name__} {self.pk}"


class Evidence(models.Model):
    """Keeps its session from being deleted."""

    session = models.ForeignKey(LinkedSession, models.PROTECT)

    def __str__(self):
        return f"{type(self).__name__} {self.pk}"


class Order(models.Model):
    """Keeps the basket that would go with its session."""

    basket = models.ForeignKey(Basket, models.PROTECT)

    def __str__(self):
        return f"{type(self).__name__} {self.pk}"
