"""The pages, one module for each subject."""

from sessionstore.views.login import LoginView
from sessionstore.views.logout import LogoutView

__all__ = ["LoginView", "LogoutView"]
