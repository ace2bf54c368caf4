"""Signals of the life of a session. ``sender`` is the engine's class, ``handle`` names the session.

Receivers run inside the request that caused the event; an exception in one goes up to it.
"""

from django.dispatch import Signal

# handle, user_id: a row was inserted.
session_created = Signal()
# handle, old_handle, user_id: the key was changed and the data kept.
session_cycled = Signal()
# handle, user_id, conflicts: two requests changed the session at once. Conflicts are the paths of
# keys that both changed differently (ours was taken).
session_merged = Signal()
