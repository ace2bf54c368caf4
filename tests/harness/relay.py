"""A network of the tests' own, between an application and a server: far, lossy, or silent.

Packets are lost in the kernel. A socket whose filter refuses a packet never hears of it, so the
other end sends it again, later and later, and gives up as TCP does: also a connection that is asked
for. This needs no right and no module of the kernel, which netem does.
"""

import asyncio
import ctypes
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

# From Linux' asm-generic/socket.h, and the classic BPF of its linux/filter.h.
_SO_ATTACH_FILTER, _SO_MEMINFO, _DROPS = 26, 55, 8
_LOAD_ABSOLUTE, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x35, 0x06
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
_ALL, _NOTHING = 0xFFFFFFFF, 0


def _lose(socket_: socket.socket, share: float) -> None:
    """Let a socket lose this share of the packets that come to it."""
    chance = [
        (_LOAD_ABSOLUTE, 0, 0, _RANDOM),
        (_JUMP_IF_AT_LEAST, 0, 1, int(share * 2**32)),
        (_RETURN, 0, 0, _ALL),
    ]
    program = [*(chance if share < 1 else []), (_RETURN, 0, 0, _NOTHING)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    where = struct.pack("HL", len(program), ctypes.addressof(text))
    socket_.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)


def _lost(socket_: socket.socket) -> int:
    try:
        told = socket_.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 64)
    except OSError:  # It has been closed meanwhile, and was counted then.
        return 0
    return int(struct.unpack_from("I", told, 4 * _DROPS)[0])


@dataclass(slots=True)
class Relay:
    """An address that leads to the server at `target`; `loss` is a share, in each direction."""

    target: int
    host: str = "127.0.0.1"
    port: int = 0
    delay_s: float = 0.0
    loss: float = 0.0
    connections: int = 0
    # How often something came from the application.
    taken: int = 0
    _lost_before: int = 0
    _listener: socket.socket = field(init=False)
    _near: set[socket.socket] = field(default_factory=set)
    _far: set[socket.socket] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _carrying: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._listener = socket.create_server((self.host, self.port))
        self._listener.setblocking(False)
        _lose(self._listener, self.loss)
        self.port = self._listener.getsockname()[1]
        self._carrying.set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def silence(self) -> None:
        """Pass nothing on any more; connections stay open, and new ones are taken."""
        self._loop.call_soon_threadsafe(self._carrying.clear)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Lose everything, also of who connects: nobody is told that anybody has gone."""
        before = self.lost()
        self.silence()
        self._lose_here(1, self._listener, *list(self._near))
        try:
            yield
            assert self.lost() > before, "nobody has sent anything"
        finally:
            self._lose_here(self.loss, self._listener, *list(self._near))
            self._loop.call_soon_threadsafe(self._carrying.set)

    @contextmanager
    def far(self, delay_s: float, *, loss: float = 0.0) -> Iterator[None]:
        """Be so far away for a while, in each direction, and lose this share of the packets."""
        before = self.delay_s, self.loss
        self.delay_s, self.loss = delay_s, loss
        self._lose_here(loss, self._listener, *list(self._near), *list(self._far))
        try:
            yield
        finally:
            self.delay_s, self.loss = before
            self._lose_here(self.loss, self._listener, *list(self._near), *list(self._far))

    def lost(self) -> int:
        """Return how many packets have been lost so far."""
        held = [self._listener, *list(self._near), *list(self._far)]
        return self._lost_before + sum(map(_lost, held))

    def _lose_here(self, share: float, *sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):  # It has been closed meanwhile.
                _lose(one, share)

    def _run(self) -> None:
        try:
            self._begin(self._accept())
            self._loop.run_forever()
        finally:
            for task in list(self._tasks):
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
            self._loop.close()
            self._listener.close()

    def _begin(self, work: "asyncio._CoroutineLike[None]") -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self) -> None:
        while True:
            near, _ = await self._loop.sock_accept(self._listener)
            self.connections += 1
            self._begin(self._connect(near))

    async def _connect(self, near: socket.socket) -> None:
        far = socket.socket()
        for one in (near, far):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _lose(one, self.loss)
        self._near.add(near)
        self._far.add(far)
        try:
            with suppress(OSError):
                await self._loop.sock_connect(far, ("127.0.0.1", self.target))
                there = self._begin(self._carry(near, far))
                back = self._begin(self._carry(far, near))
                await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
                there.cancel()
                back.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        finally:
            self._lost_before += _lost(near) + _lost(far)
            self._near.discard(near)
            self._far.discard(far)
            near.close()
            far.close()

    async def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Bring what comes from one end to the other, until one of them has gone."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        reading = self._begin(self._read(source, waiting))
        try:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(due - self._loop.time())
                await self._carrying.wait()
                if not data:
                    return
                await self._loop.sock_sendall(sink, data)
        except OSError:
            return
        finally:
            reading.cancel()

    async def _read(
        self, source: socket.socket, waiting: "asyncio.Queue[tuple[float, bytes]]"
    ) -> None:
        data = b"first"
        while data:
            try:
                data = await self._loop.sock_recv(source, 65536)
            except OSError:
                data = b""
            self.taken += source in self._near
            waiting.put_nowait((self._loop.time() + self.delay_s, data))
