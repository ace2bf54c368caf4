"""A relay before a database: from one moment on it takes everything and passes nothing on."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Relay:
    """Connections to `port` go to the server at `target`, until `silence()`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._speaks = threading.Event()
        self._open: list[socket.socket] = [self.listener]

    def __enter__(self) -> Self:
        self._speaks.set()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def silence(self) -> None:
        """Pass nothing on any more; connections stay open, and new ones are taken."""
        self._speaks.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.target))
                self._open += [here, there]
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._speaks.is_set():
                    target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
