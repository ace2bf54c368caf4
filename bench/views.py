"""The site of the whole-request benchmarks: three pages for a visitor who is signed in.

One reads the session and the user, one writes, one does neither. Servers of ASGI get them async.
"""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench import shopper


def answer(text: str) -> HttpResponse:
    """Return a page with its length, as Django's CommonMiddleware makes it."""
    return HttpResponse(text, headers={"Content-Length": str(len(text))})


def neither(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    return answer("hello")


def read(request: HttpRequest) -> HttpResponse:
    coupon = request.session["cart"]["coupon"]
    return answer(f"{coupon} of {request.user.get_username()}")


def write(request: HttpRequest) -> HttpResponse:
    request.session["cart"] = shopper.cart(int(request.META["QUERY_STRING"]))
    return answer("saved")


async def aneither(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    return answer("hello")


async def aread(request: HttpRequest) -> HttpResponse:
    coupon = (await request.session.aget("cart"))["coupon"]
    user = await request.auser()  # type: ignore[attr-defined] # the stubs lack it
    return answer(f"{coupon} of {user.get_username()}")


async def awrite(request: HttpRequest) -> HttpResponse:
    number = int(request.META["QUERY_STRING"])
    await request.session.aset("cart", shopper.cart(number))
    return answer("saved")


urlpatterns = [
    path("neither/", neither),
    path("read/", read),
    path("write/", write),
    path("async/neither/", aneither),
    path("async/read/", aread),
    path("async/write/", awrite),
]
