"""The pages of the shop, of the sessions, and of the admin."""

from django.contrib import admin
from django.urls import include, path

from demo_site import hood, leak, race, theft, verbs, views

urlpatterns = [
    path("", views.shop, name="shop"),
    path("cart/", views.cart_page, name="cart"),
    path("cart/<slug:slug>/", views.change_cart, name="change_cart"),
    path("checkout/", views.checkout, name="checkout"),
    path("hood/set/", hood.set_value, name="set_value"),
    path("hood/cycle/", hood.change_key, name="change_key"),
    path("hood/expire/", hood.expire_soon, name="expire_soon"),
    path("verbs/", verbs.verbs_page, name="verbs"),
    path("verbs/<slug:name>/", verbs.press, name="press"),
    path("race/", race.race_page, name="race"),
    path("race/start/", race.start, name="race_start"),
    path("race/<slug:name>/", race.change, name="race_change"),
    path("leak/", leak.leak, name="leak"),
    path("leak/<slug:name>/", leak.opened, name="opened"),
    path("theft/", theft.theft, name="theft"),
    path("account/", include("sessionstore.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
]
