"""Edge cases of Ed25519 as JSON lists of `key`, `sig` (hex), `msg` (text) and `flags`: whether ZIP-215 is what is applied.

The flags say what is odd about a case. ZIP-215 takes them all but one kind: the challenge hash is over the bytes as they
were sent, so where k was computed over a re-encoded R or A the equation fails, unless A is of low order and k matters
to nobody. Source: C2SP/CCTV, ed25519/README.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from lightclient import ed25519
from tools.conformance.findings import Findings, Kind
from tools.conformance.reading import read_json

FIELDS: Final = {"key", "msg", "sig", "flags"}


def is_edge_cases(document: Any) -> bool:
    """Whether a JSON document has the shape of these files."""
    return (
        isinstance(document, list)
        and len(document) > 0
        and all(isinstance(item, dict) and item.keys() >= FIELDS for item in document)
    )


def check_file(path: Path) -> Findings:
    findings = Findings()
    for index, case in enumerate(read_json(path)):
        name = f"case {case.get('number', index)}"
        try:
            flags = set(case["flags"] or ())
            got = ed25519.verify(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
        except (ValueError, TypeError, AttributeError) as error:
            findings.check(Kind.SIGNATURES, path, name, f"cannot be read: {error}")
            continue
        expected = "reencoded_k" not in flags or "low_order_A" in flags
        findings.note(Kind.SIGNATURES, "expected to be accepted" if expected else "expected to be refused")
        wrong = None if got == expected else f"{'accepted' if got else 'refused'}, flags {', '.join(sorted(flags)) or 'none'}"
        findings.check(Kind.SIGNATURES, path, name, wrong)
    return findings
