"""APIs of Django REST framework and django-ninja whose views want a recent login."""

from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import path
from django.utils.decorators import method_decorator
from ninja import NinjaAPI
from ninja.security import HttpBearer
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessionstore.decorators import RecentLoginRequiredMixin, recent_login_required


class ByToken(BaseAuthentication):
    """Take the name in a header for its owner."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        name = request.headers.get("Authorization", "").removeprefix("Token ")
        return (User.objects.get(username=name), name) if name else None


CLASSES = [ByToken, SessionAuthentication]


@api_view(["GET"])
@authentication_classes(CLASSES)
@recent_login_required(level=2)
def function(request: Request) -> Response:
    return Response({"user": request.user.get_username()})


class Method(APIView):
    authentication_classes = CLASSES

    @method_decorator(recent_login_required(level=2))
    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})


@method_decorator(recent_login_required, name="dispatch")
class Outside(APIView):
    def get(self, _request: Request) -> Response:
        return Response({})


class Mixed(RecentLoginRequiredMixin, APIView):
    def get(self, _request: Request) -> Response:
        return Response({})


class Bearer(HttpBearer):
    """Take the token for the name of its owner."""

    def authenticate(self, _request: HttpRequest, token: str) -> User | None:
        return User.objects.filter(username=token).first()


ninja = NinjaAPI()


@ninja.get("/by-session/")
@recent_login_required(level=2)
def by_session(request: HttpRequest, number: int = 1) -> dict[str, Any]:
    return {"user": request.user.get_username(), "number": number}


@ninja.get("/by-token/", auth=Bearer())
@recent_login_required
def by_token(request: HttpRequest) -> dict[str, Any]:
    return {"user": request.user.get_username()}


@ninja.get("/async/")
@recent_login_required(level=2)
async def in_async(request: HttpRequest) -> dict[str, Any]:
    return {"user": request.user.get_username(), "number": 1}


urlpatterns = [
    path("function/", function),
    path("method/", Method.as_view()),
    path("outside/", Outside.as_view()),
    path("mixed/", Mixed.as_view()),
]
