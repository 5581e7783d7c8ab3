"""RFC 3339 times in UTC with nanoseconds, as CometBFT writes them, to and from one integer.

Python's datetime keeps six digits of the fraction; header hashes need nine.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

_FORM: Final = re.compile(r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{0,8}[1-9]))?Z", re.ASCII)
"""One spelling per time: no zeros at the end of the fraction, as Go writes none, and no hour 24."""
_EPOCH: Final = datetime(1970, 1, 1)
_NS: Final = 10**9


def parse_ns(text: str) -> int:
    """Nanoseconds since the Unix epoch. Raises ValueError for whatever `format_ns` does not write."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time in UTC")
    whole, fraction = match.groups(default="")
    since = datetime.fromisoformat(whole) - _EPOCH
    return (since.days * 86_400 + since.seconds) * _NS + int(fraction.ljust(9, "0"))


def format_ns(time_ns: int) -> str:
    """The form Go writes: `YYYY-MM-DDTHH:MM:SS[.fraction]Z`, without zeros at the end of the fraction. Years 1 to 9999."""
    seconds, nanoseconds = divmod(time_ns, _NS)
    whole = (_EPOCH + timedelta(seconds=seconds)).isoformat()
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{whole}{fraction}Z"
