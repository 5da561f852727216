"""Whole messages over a Unix socket, with a deadline and a bound on their size."""

from __future__ import annotations

import socket
import struct
import time

MAX_MESSAGE_BYTES = 256 * 2**20
_LENGTH = struct.Struct("<Q")
_PIECE = 4 * 2**20


class ChannelClosedError(ConnectionError):
    """The other process has ended or closed its side."""


class DeadlineError(TimeoutError):
    """The other process did not answer in time."""


class OversizedMessageError(ValueError):
    """The other process announced a message that is larger than any may be."""


class Channel:
    """One end of a connection between two processes; ``deadline`` (of ``time.monotonic``) bounds every wait."""

    def __init__(self, end: socket.socket) -> None:
        """Take over a connected stream socket."""
        self._socket = end
        self.deadline: float | None = None

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def send(self, message: bytes) -> None:
        """Send one message.

        Raises:
            ChannelClosedError: if nobody will read it.
            DeadlineError: if the other side does not take it in time.
        """
        view = memoryview(_LENGTH.pack(len(message)) + message) if len(message) < _PIECE else None
        try:
            if view is not None:
                self._send_all(view)
            else:
                self._send_all(memoryview(_LENGTH.pack(len(message))))
                self._send_all(memoryview(message))
        except TimeoutError as error:
            raise DeadlineError("the other process does not read") from error
        except OSError as error:
            raise ChannelClosedError(f"the other process has ended ({error.strerror})") from error

    def receive(self) -> bytearray:
        """Return the next message.

        Raises:
            ChannelClosedError: at the end of the connection.
            DeadlineError: if no whole message came in time.
            OversizedMessageError: if the message would be too large.
        """
        try:
            (length,) = _LENGTH.unpack(self._receive_exactly(_LENGTH.size))
            if length > MAX_MESSAGE_BYTES:
                raise OversizedMessageError(f"a message of {length} bytes was announced")
            return self._receive_exactly(length)
        except TimeoutError as error:
            raise DeadlineError("the other process does not answer") from error
        except ChannelClosedError:
            raise
        except OSError as error:
            raise ChannelClosedError(f"the other process has ended ({error.strerror})") from error

    def _send_all(self, view: memoryview) -> None:
        # sendall would start its timeout again with every piece, which a slow reader could draw out for ever.
        while view:
            self._set_timeout()
            view = view[self._socket.send(view) :]

    def _receive_exactly(self, length: int) -> bytearray:
        received = bytearray()
        while len(received) < length:
            # Memory is taken as the bytes come, not as they are announced.
            piece = min(_PIECE, length - len(received))
            start = len(received)
            received.extend(bytes(piece))
            filled = 0
            while filled < piece:
                self._set_timeout()
                count = self._socket.recv_into(memoryview(received)[start + filled :], piece - filled)
                if count == 0:
                    raise ChannelClosedError("the other process has ended")
                filled += count
        return received

    def _set_timeout(self) -> None:
        if self.deadline is None:
            self._socket.settimeout(None)
            return
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise DeadlineError("the time is up")
        self._socket.settimeout(remaining)
