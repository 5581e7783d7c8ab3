"""What a person says of the time: a small file beside the journal that a running agent takes up, or the next one in this boot.

    {"boot_id": hex, "monotonic_ns": int, "utc_ns": int, "uncertainty_ns": int}

Nobody signs it: who may write into the journal's folder may set the device's time. The record that comes of it is signed by
the device, which says no more than that it was told so.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from storeforward.files import sync_folder
from storeforward.timekeeping import Anchor, Source


def request_path(journal: Path) -> Path:
    """Where a request lies, beside the journal."""
    return journal.with_suffix(".time")


def write_request(path: Path, boot_id: bytes, monotonic_ns: int, utc_ns: int, uncertainty_ns: int) -> None:
    """Leave a request, in place of one that was not taken up yet. Raises OSError."""
    fields = {"boot_id": boot_id.hex(), "monotonic_ns": monotonic_ns, "utc_ns": utc_ns, "uncertainty_ns": uncertainty_ns}
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="ascii") as file:
        json.dump(fields, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def read_request(path: Path) -> Anchor | None:
    """The anchor of a request; None where there is none. Raises ValueError for what is no request, OSError."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    try:
        fields = json.loads(text)
        boot_id = bytes.fromhex(fields["boot_id"])
        numbers = [fields[name] for name in ("monotonic_ns", "utc_ns", "uncertainty_ns")]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no request to set the time: {error}") from error
    if any(type(number) is not int for number in numbers):
        raise ValueError(f"{path} is no request to set the time: whole numbers are expected")
    monotonic_ns, utc_ns, uncertainty_ns = numbers
    return Anchor(Source.OPERATOR, boot_id, monotonic_ns, monotonic_ns, utc_ns, uncertainty_ns)


def remove_request(path: Path) -> None:
    """Taken up: the journal has it."""
    path.unlink(missing_ok=True)
