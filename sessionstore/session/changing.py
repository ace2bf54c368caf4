"""Whether a session has changed since it was loaded: the data are compared, no flag is trusted."""

import contextlib
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.session.lifetime import policy_of
from sessionstore.session.loading import LoadedSession
from sessionstore.session.payload import dumps

_not_given: Any = object()


class ChangingSession(LoadedSession):
    """Compares key, data and client with the row that they came from."""

    @property
    def modified(self) -> bool:
        """True when a key was set, when the data differ from what was loaded, or a touch is due.

        Reading it never loads and never raises. ``modified = False`` means "save nothing of this":
        the present data become the ones to compare with. ``modified = True`` with equal data is a
        touch. A save never clears it: the answer still has to carry the cookie.
        """
        if self._set or self._stored:
            return True
        return self.is_loaded and (self._has_changed() or self._touch_due())

    @modified.setter
    def modified(self, value: bool) -> None:
        self._set = bool(value)
        if value:
            return
        self._stored = self._must_rewrite = False
        self._declined = True
        if self.is_loaded and self._is_changed():
            try:
                self._base = dumps(self._session_cache) if self._session_cache else None
            except (TypeError, ValueError):
                return

    def _has_changed(self, payload: bytes | None = None) -> bool:
        return self._must_rewrite or self._client_changed() or self._is_changed(payload)

    def _is_changed(self, payload: bytes | None = None) -> bool:
        """Compare the data (``payload``, if known) with the loaded bytes.

        Data that cannot be written have changed.
        """
        data = self._session_cache
        if self._base is None:
            return bool(data)
        try:
            return (dumps(data) if payload is None else payload) != self._base
        except (TypeError, ValueError):
            return True

    def _touch_due(self) -> bool:
        if self._row is None or self._declined or not self.slides:
            return False
        seen = self._row.last_seen_at
        return policy_of(self._session_cache).touch_due(last_seen_at=seen, now=expiry.now_ms())

    def _client_changed(self) -> bool:
        """Tell whether a signed-in user comes from elsewhere; looked at once a touch interval."""
        row, client = self._row, self.client
        if row is None or client is None or row.user_id is None or self._declined:
            return False
        if (client.ip or row.ip, client.user_agent or row.user_agent) == (row.ip, row.user_agent):
            return False
        interval = conf.policy.touch_interval_ms or expiry.DEFAULT_TOUCH_INTERVAL_MS
        return expiry.now_ms() - row.last_seen_at >= interval

    def pop(self, key: str, default: Any = _not_given) -> Any:
        data = self._session
        # Optimization: Django's asks ``modified``, which here would serialise at each call.
        self._set = self._set or key in data
        return data.pop(key) if default is _not_given else data.pop(key, default)

    def clear(self) -> None:
        """Drop all data and keep the row; the row is read when it was not, then or at the save."""
        # Compat: Django's clear() works in async views, where nothing can be loaded.
        with contextlib.suppress(SynchronousOnlyOperation):
            self._get_session()
        super().clear()
