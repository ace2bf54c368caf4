"""Whether somebody acts as another user, whichever library brought them there.

One kind (django-impersonate) leaves the session to the administrator and puts another user on the
request. The other (django-hijack, django-loginas) signs the other user in from inside the
administrator's session. Neither has proved to be that user.
"""

from typing import Any

from sessionstore.core.merge import USER_KEY
from sessionstore.models import user_id_of
from sessionstore.session.store import SessionBackend


def is_own(session: SessionBackend, user: Any) -> bool:
    """Tell whether it is this user who has signed in to the session."""
    own = session.get(USER_KEY)
    return own is not None and user_id_of(own) == user_id_of(user)


def acts_for(session: SessionBackend, user: Any) -> bool:
    """Tell whether it is another user who has signed in to the session than this one."""
    return USER_KEY in session and not is_own(session, user)


def is_impersonated(request: Any) -> bool:
    """Tell whether the request acts as another user than the one who has signed in."""
    return request.user.is_authenticated and acts_for(request.session, request.user)


def came_from_another(session: SessionBackend) -> bool:
    """Tell whether this request has left the login of one user for that of another."""
    left = session.left_user_id
    return left is not None and user_id_of(left) != user_id_of(session.get(USER_KEY))
