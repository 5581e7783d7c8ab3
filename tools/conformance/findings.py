"""What a run found out: how many cases of each kind passed, which failed, and what else a reader should know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What is counted apart from each other, in the order of the report."""

    STEPS = "model-based steps"
    HEIGHTS = "heights accepted by themselves"
    PAIRS = "forward pairs"
    BISECTIONS = "pairs bisected"
    EXPIRY = "pairs refused once trust expired"
    MUTATIONS = "mutations refused"
    TABLES = "ICS23 table rows"
    PROOFS = "ICS23 proofs"
    ALTERED = "ICS23 altered bytes refused"
    SIGNATURES = "Ed25519 edge cases"


@dataclass(frozen=True, slots=True)
class Failure:
    """One case that did not come out as it must, and what came out."""

    file: str
    case: str
    cause: str


@dataclass(slots=True)
class Findings:
    """Counts, failures by kind, and notes by kind with how often each was made."""

    passed: Counter[Kind] = field(default_factory=Counter)
    failures: dict[Kind, list[Failure]] = field(default_factory=dict)
    notes: dict[Kind, Counter[str]] = field(default_factory=dict)

    def check(self, kind: Kind, file: object, case: str, wrong: str | None) -> None:
        """Count one case. `wrong` says what came out instead of what must; None: it passed."""
        if wrong is None:
            self.passed[kind] += 1
        else:
            self.failures.setdefault(kind, []).append(Failure(str(file), case, wrong))

    def note(self, kind: Kind, text: str, times: int = 1) -> None:
        """Remark on something that is neither a pass nor a failure."""
        self.notes.setdefault(kind, Counter())[text] += times

    def add(self, other: Findings) -> None:
        self.passed.update(other.passed)
        for kind, failures in other.failures.items():
            self.failures.setdefault(kind, []).extend(failures)
        for kind, notes in other.notes.items():
            self.notes.setdefault(kind, Counter()).update(notes)

    @property
    def all_passed(self) -> bool:
        return not self.failures

    def total(self, kind: Kind) -> int:
        return self.passed[kind] + len(self.failures.get(kind, ()))

    def kinds(self) -> Iterable[Kind]:
        """The kinds that occurred."""
        return (kind for kind in Kind if self.total(kind) or kind in self.notes)
