"""One setting as a descriptor: read, parsed and remembered until a setting changes."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from django.conf import settings

from sessionstore.exceptions import WrongSetting

T = TypeVar("T")
UNSET: Any = object()


class Setting(Generic[T]):
    """One setting: read, parsed and remembered until a setting changes.

    Raises WrongSetting at access when the value is wrong; ``checks`` tells so at start-up.
    """

    def __init__(
        self,
        name: str,
        default: Any,
        parse: Callable[[Any], T],
        doc: str,
        *,
        is_secret: bool = False,
    ) -> None:
        self.name = f"SESSIONSTORE_{name}"
        self.default = default
        self.parse = parse
        self.is_secret = is_secret
        self.__doc__ = doc

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    @overload
    def __get__(self, instance: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "Setting[T] | T":
        if instance is None:
            return self
        value = self.read()
        # Optimization: the next access finds the parsed value on the instance; parsing one anew is
        # a tenth of a load.
        instance.__dict__[self.attribute] = value
        return value

    def read(self) -> T:
        value = getattr(settings, self.name, UNSET)
        try:
            return self.parse(self.default if value is UNSET else value)
        except ValueError as error:
            # Security: what a check prints ends in logs.
            told = "" if self.is_secret else f"; it is {value!r}"
            message = f"{self.name} must be {error}{told}."
            raise WrongSetting(message) from None
