"""The cart: a dict in the session, `{"oat": 2}`."""

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from demo_site.catalogue import PRODUCTS, Product

CART = "cart"
MOST_OF_ONE = 99


@dataclass(frozen=True, slots=True)
class Line:
    """One product of the cart."""

    product: Product
    quantity: int

    @property
    def price(self) -> Decimal:
        """What the line costs."""
        return self.product.price * self.quantity


def lines(request: HttpRequest) -> list[Line]:
    """List what is in the cart, in the order of the catalogue."""
    cart = request.session.get(CART, {})
    return [Line(PRODUCTS[slug], cart[slug]) for slug in PRODUCTS if slug in cart]


def change(request: HttpRequest, slug: str, *, by: int) -> None:
    """Put some of a product in, or take some out.

    Two tabs that add at the same moment must both count, so the sum is done by `transact`: on the
    newest data, and again if another request saved in between.
    """

    def add(session: SessionBase) -> None:
        cart = session.setdefault(CART, {})
        cart[slug] = min(cart.get(slug, 0) + by, MOST_OF_ONE)
        if cart[slug] <= 0:
            del cart[slug]

    request.session.transact(add)
