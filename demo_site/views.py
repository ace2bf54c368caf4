"""The shop: look, fill a cart, sign in, order."""

from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from demo_site import cart
from demo_site.catalogue import PRODUCTS
from sessionstore.decorators import recent_login_required


@require_GET
def shop(request: HttpRequest) -> HttpResponse:
    """Show what there is. An anonymous visitor costs neither SQL nor a row."""
    context = {"title": _("Biscuits"), "products": PRODUCTS.values()}
    return render(request, "demo_site/shop.html", context)


@require_GET
def cart_page(request: HttpRequest) -> HttpResponse:
    """Show what is in the cart."""
    lines = cart.lines(request)
    context = {"title": _("Cart"), "lines": lines, "total": sum(line.price for line in lines)}
    return render(request, "demo_site/cart.html", context)


@require_POST
def change_cart(request: HttpRequest, slug: str) -> HttpResponse:
    """Put one more in, or take one out."""
    if slug not in PRODUCTS:
        raise Http404
    if "less" in request.POST:
        cart.change(request, slug, by=-1)
        return redirect("cart")
    cart.change(request, slug, by=1)
    messages.success(request, _("In the cart: %(name)s.") % {"name": PRODUCTS[slug].name})
    return redirect("cart" if "more" in request.POST else "shop")


@recent_login_required(max_age=timedelta(hours=1))
@require_http_methods(["GET", "HEAD", "POST"])
def checkout(request: HttpRequest) -> HttpResponse:
    """Order: the cart of the anonymous visitor is still there after signing in.

    Orders are worth money, so a login of yesterday does not do.
    """
    lines = cart.lines(request)
    if request.method == "POST":
        request.session.pop(cart.CART, None)
        messages.success(request, _("Thank you! Nothing was charged and nothing will come."))
        return redirect("shop")
    context = {"title": _("Order"), "lines": lines, "total": sum(line.price for line in lines)}
    return render(request, "demo_site/checkout.html", context)
