"""The findings for a reader: one line per kind, then its notes, then every failure by file and case; or all of it as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from tools.conformance.findings import Findings
from tools.conformance.recognition import Unrecognised


def as_text(findings: Findings, unrecognised: Sequence[Unrecognised], verbose: bool) -> str:
    lines = []
    for kind in findings.kinds():
        lines.append(f"{kind}: passed {findings.passed[kind]} of {findings.total(kind)}")
        lines += [f"  {times} {text}" for text, times in sorted(findings.notes.get(kind, {}).items())]
        lines += [f"  FAILED {failure.file}, {failure.case}: {failure.cause}" for failure in findings.failures.get(kind, ())]
    if unrecognised:
        lines.append(f"not recognised: {len(unrecognised)} files" + ("" if verbose else " (names with --verbose)"))
        if verbose:
            lines += [f"  {entry.file}: {entry.reason}" for entry in unrecognised]
    return "\n".join(lines)


def as_data(findings: Findings, unrecognised: Sequence[Unrecognised]) -> dict[str, object]:
    return {
        "kinds": [
            {
                "kind": kind.value,
                "passed": findings.passed[kind],
                "total": findings.total(kind),
                "notes": dict(sorted(findings.notes.get(kind, {}).items())),
                "failures": [
                    {"file": failure.file, "case": failure.case, "cause": failure.cause}
                    for failure in findings.failures.get(kind, ())
                ],
            }
            for kind in findings.kinds()
        ],
        "unrecognised": [{"file": entry.file, "reason": entry.reason} for entry in unrecognised],
    }
