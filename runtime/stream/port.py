"""A serial port that is opened, read and written with one sentence for whatever goes wrong."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports

from cortexcore.errors import StreamError

_READ_TIMEOUT_S = 0.1
_WRITE_TIMEOUT_S = 2.0


class Port:
    """Any port pyserial knows: a device's path, ``socket://host:port``, ``rfc2217://host:port``, ``loop://``.

    Args:
        url: path or URL.
        baud_rate: bits per second, for ports that have such a thing.

    Raises:
        StreamError: the port does not exist, is not permitted, is in use, or is of an unknown kind.
    """

    def __init__(self, url: str, baud_rate: int = 115200) -> None:
        self.url = url
        exclusive = None if "://" in url else True
        try:
            self._serial: Any = serial.serial_for_url(
                url,
                baudrate=baud_rate,
                timeout=_READ_TIMEOUT_S,
                write_timeout=_WRITE_TIMEOUT_S,
                exclusive=exclusive,
            )
        except OSError as error:
            raise StreamError(_why_not_opened(url, error)) from error
        except ValueError as error:
            raise StreamError(
                f"the port '{url}' is of no known kind ({error}); allowed: a device such as /dev/ttyACM0 or COM3, "
                "socket://host:port, rfc2217://host:port"
            ) from error

    def read(self) -> bytes:
        """What has arrived; waits for a tenth of a second at most, and is empty where nothing came.

        Raises:
            StreamError: the port vanished.
        """
        try:
            data: bytes = self._serial.read(max(1, self._serial.in_waiting))
            return data
        except (OSError, TypeError) as error:
            # pyserial's socket raises TypeError when another thread closes it while it is read.
            raise StreamError(f"the port '{self.url}' vanished ({_reason(error)})") from error

    def write(self, data: bytes) -> None:
        """Send ``data``.

        Raises:
            StreamError: the port vanished, or takes nothing for two seconds.
        """
        try:
            self._serial.write(data)
        except OSError as error:
            raise StreamError(f"the port '{self.url}' cannot be written to ({_reason(error)})") from error

    def close(self) -> None:
        """Give the port back."""
        self._serial.close()


def _why_not_opened(url: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        found = ", ".join(sorted(port.device for port in list_ports.comports())) or "none"
        return f"the port '{url}' does not exist; is the device plugged in and on? Serial ports here: {found}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"the port '{url}' may not be opened by this user; on Linux join the group that owns it (often dialout)"
    if error.errno in (errno.EBUSY, errno.EAGAIN):
        return f"the port '{url}' is in use by another program; close that one first"
    if "://" not in url and not Path(url).is_char_device():
        return f"'{url}' is no serial port but a file or folder; give a device such as /dev/ttyACM0"
    if url.startswith(("socket://", "rfc2217://")) and not _names_host_and_port(url):
        return f"the port '{url}' must read {url.partition('://')[0]}://HOST:PORT with a port from 1 to 65535"
    return f"the port '{url}' cannot be opened ({_reason(error)})"


def _names_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname and parts.port)
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    return str(error.__cause__ or error).splitlines()[0]
