"""Where two chains that both verify part. No I/O: an examination says which of the other node's blocks it wants next.

    while (height := examination.wanted) is not None:
        examination.give(await node.light_block(height))

It replays the trace that one node's blocks were verified by against the other node, and takes the first height at which
they differ. What follows from that, and who is told, is not decided here. Source: light client specification, attack
detection, LCD-FUNC-DETECTOR.2 (CreateEvidenceForPeer); CometBFT v0.38 light/detector.go
(examineConflictingHeaderAgainstTrace).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lightclient import hashing
from lightclient.bisection import Bisection
from lightclient.blocks import Header, LightBlock
from lightclient.errors import ConflictingHeader, HeaderNotLater, NoConflict, WrongAnswer
from lightclient.options import Options


@dataclass(frozen=True, slots=True)
class Divergence:
    """Two chains that part after `common`. Source: CMBC-LC-ATTACK-EVIDENCE.1.

    conflicting: the first block of the trace that the other node does not have; verified from `common` in one step.
    trusted: the other node's block against it, at the same height, or below it in a forward lunatic attack.
    common: the last block that both chains share.
    source_trace: the other node's verified blocks, from `common` to `trusted`.
    """

    conflicting: LightBlock
    trusted: LightBlock
    common: LightBlock
    source_trace: tuple[LightBlock, ...]


def latest_conflicts(trusted: Header, latest: Header) -> bool:
    """Whether a node whose newest header is lower contradicts `trusted` all the same, because it is not earlier.

    Time grows with height on one chain, so the two cannot be on one: a *forward lunatic* attack, in which the header
    shown lies at a height that the chain has not reached. Source: CometBFT v0.38 light/detector.go,
    compareNewLightBlockWithWitness.
    """
    return latest.height < trusted.height and latest.time_ns >= trusted.time_ns


class Examination:
    """Replays `trace`, verified blocks of one node, against another node that shows `target` in conflict with it.

    trace: at least the block that was trusted before and, last, the block that `target` contradicts.
    target: the other node's block at the last height of the trace; below it with a time that is not earlier
        (latest_conflicts), or, where the trace is the lower of such a pair, above it with a time that is not later.
    now_ns: one value for all of it, the one that the trace was verified with.

    The constructor and `give` raise VerificationError where the other node's blocks do not verify or do not begin at
    the trace's first, NoConflict where they never part from the trace, WrongAnswer for a block of another height.
    """

    def __init__(self, trace: Sequence[LightBlock], target: LightBlock, options: Options, now_ns: int) -> None:
        if target.height < trace[0].height:
            raise HeaderNotLater("height", trace[0].height, target.height)
        self.wanted: int | None = None
        self._trace = trace
        self._target = target
        self._options = options
        self._now_ns = now_ns
        self._place = 0
        self._bisection: Bisection | None = None
        self._divergence: Divergence | None = None
        self._ask()

    @property
    def divergence(self) -> Divergence:
        """What came of it, once nothing is wanted any more."""
        if self._divergence is None:
            raise RuntimeError(f"the examination still wants block {self.wanted}")
        return self._divergence

    def give(self, block: LightBlock) -> None:
        """Take the other node's block of the height that was wanted."""
        if self._bisection is not None:
            self._bisection.give(block)
            self._follow(self._bisection)
        elif block.height != self.wanted:
            raise WrongAnswer("height", self.wanted, block.height)
        else:
            self._compare(block)

    def _ask(self) -> None:
        """Go to the next height of the trace; from the target's height on there is nothing to ask for."""
        self.wanted = None
        if self._place == len(self._trace):
            raise NoConflict(self._target.height)
        traced = self._trace[self._place]
        if traced.height < self._target.height:
            self.wanted = traced.height
        elif traced.height == self._target.height or latest_conflicts(traced.header, self._target.header):
            self._compare(self._target)
        else:
            raise NoConflict(traced.height)

    def _compare(self, block: LightBlock) -> None:
        """Step over what both nodes have (it is verified: it stands in the trace); where they part, verify the other's."""
        traced = self._trace[self._place]
        if block.header == traced.header:
            self._place += 1
            self._ask()
        elif self._place == 0:
            raise ConflictingHeader(traced.height, hashing.header_hash(traced.header), hashing.header_hash(block.header))
        else:
            self._bisection = Bisection(self._trace[self._place - 1], block, self._options, self._now_ns)
            self._follow(self._bisection)

    def _follow(self, bisection: Bisection) -> None:
        """Verify the other node's block from the last common one; it may take blocks in between."""
        self.wanted = bisection.wanted
        if self.wanted is None:
            found = tuple(bisection.trace)
            self._divergence = Divergence(self._trace[self._place], trusted=found[-1], common=found[0], source_trace=found)
