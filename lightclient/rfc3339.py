"""RFC 3339 times in UTC with nanoseconds, as CometBFT writes them, to and from one integer.

Python's datetime keeps six digits of the fraction; header hashes need nine.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

_FORM: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1)
_NS: Final = 10**9


def parse_ns(text: str) -> int:
    """Nanoseconds since the Unix epoch. Raises ValueError for anything but `YYYY-MM-DDTHH:MM:SS[.fraction]Z`."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time in UTC")
    whole, fraction = match.groups(default="")
    since = datetime.fromisoformat(whole) - _EPOCH
    return (since.days * 86_400 + since.seconds) * _NS + int(fraction.ljust(9, "0"))


def format_ns(time_ns: int) -> str:
    """The form Go writes: trailing zeros of the fraction are left out. Years 1 to 9999."""
    seconds, nanoseconds = divmod(time_ns, _NS)
    whole = (_EPOCH + timedelta(seconds=seconds)).isoformat()
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{whole}{fraction}Z"
