"""One websocket connection, with every bound that keeps a hostile node cheap.

What comes in: messages of `max_bytes`, a few of them waiting to be read, in at most 4,096 fragments (the library's own
bound), and little that nobody asked for. What goes out: pongs to a node that does not read do not pile up. Where to: no
redirect leads the device to another address. A connection that is dead on the wire ends by unanswered pings.
"""

from __future__ import annotations

import asyncio
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from lightclient.errors import NodeError, NodeGarbage, NodeSilent

PING_INTERVAL_S: Final = 20.0
PING_TIMEOUT_S: Final = 20.0
CLOSE_TIMEOUT_S: Final = 1.0

MAX_WAITING_FRAMES: Final = 4
"""Above it, no more is read from the socket."""
MAX_UNSENT_BYTES: Final = 2_000_000
"""More than this never waits to be sent: calls wait for their turn, and the largest, a report of evidence, is smaller."""

MAX_UNASKED_BYTES: Final = 2_000_000
"""What a node may send in a minute that no call waits for: events (1.3 kB per block), and answers that come too late."""
MIN_UNASKED_BYTES: Final = 1_000
"""What a smaller message counts as, because reading it costs too."""
_MINUTE_S: Final = 60.0

_COMPLAINTS: Final[dict[int, str]] = {
    CloseCode.MESSAGE_TOO_BIG: "a message of bounded size",
    CloseCode.PROTOCOL_ERROR: "websocket frames",
    CloseCode.INVALID_DATA: "UTF-8 text",
}
"""Codes with which this side ends a connection, and what the node should have sent."""


class _Connection(ClientConnection):
    """Waits for nothing that only the node can end, and keeps nothing that only the node can take."""

    _hang_up: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._hang_up is None and self.protocol.close_expected():
            # The library leaves the reader waiting until the node hangs up.
            self._hang_up = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            # Every ping is answered at once, whether the node reads or not.
            self.transport.abort()


class _Opening(connect):
    """A redirect is a refusal."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def opening(url: str, open_timeout_s: float, max_bytes: int) -> connect:
    """`async with opening(...) as connection`. Raises OSError, TimeoutError, WebSocketException; see `loss`."""
    return _Opening(
        url,
        create_connection=_Connection,
        open_timeout=open_timeout_s,
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        max_size=max_bytes,
        max_queue=MAX_WAITING_FRAMES,
        compression=None,
    )


def loss(url: str, error: Exception) -> NodeError:
    """What the end of a connection says of the node: garbage, where this side ended it over what the node sent."""
    if isinstance(error, NodeError):
        return error
    if isinstance(error, ConnectionClosed) and error.sent is not None and not error.rcvd_then_sent:
        expected = _COMPLAINTS.get(error.sent.code)
        if expected is not None:
            return NodeGarbage("message", expected)
    return NodeSilent(f"{url}: {error}")


class Unasked:
    """Counts what a node sends that no call waits for."""

    def __init__(self) -> None:
        self._until_s = 0.0
        self._bytes = 0

    def add(self, size: int, now_s: float) -> None:
        """Raises NodeGarbage when it is too much for one minute."""
        if now_s >= self._until_s:
            self._until_s = now_s + _MINUTE_S
            self._bytes = 0
        self._bytes += max(size, MIN_UNASKED_BYTES)
        if self._bytes > MAX_UNASKED_BYTES:
            raise NodeGarbage("message", "an answer to what was asked")
