"""What the shop sells. In code, so that the database holds nothing but users and sessions."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Product:
    """A biscuit; `slug` also names its picture and its key in the cart."""

    slug: str
    name: str | Promise
    about: str | Promise
    price: Decimal


PRODUCTS = {
    product.slug: product
    for product in (
        Product("chocolate", _("Chocolate chip"), _("Dark chips, sea salt."), Decimal("2.40")),
        Product("oat", _("Oat and raisin"), _("Chewy, not too sweet."), Decimal("2.10")),
        Product("ginger", _("Ginger snap"), _("Snaps aloud."), Decimal("1.90")),
        Product("lemon", _("Lemon shortbread"), _("Butter and zest."), Decimal("2.60")),
        Product("matcha", _("Matcha and white chocolate"), _("Green, mild."), Decimal("2.90")),
        Product("sesame", _("Black sesame"), _("Toasted and thin."), Decimal("2.20")),
    )
}
