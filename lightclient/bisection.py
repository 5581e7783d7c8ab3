"""From a trusted block to a later one, by heights in between where trust does not reach. No I/O: it says what it wants.

    while (height := bisection.wanted) is not None:
        bisection.give(await node.light_block(height))

Source: CometBFT v0.38 light/client.go, verifySkipping; light client specification, "Schedule".
"""

from __future__ import annotations

from typing import assert_never

from lightclient.blocks import LightBlock
from lightclient.errors import WrongAnswer
from lightclient.options import Options
from lightclient.verifier import Invalid, NotEnoughTrust, Verified, verify


class Bisection:
    """One run from `trusted` to `target`. `now_ns` is one value for all of it.

    `trace` holds the blocks verified so far, `trusted` first; once nothing is wanted any more, `target` is its last.
    The constructor and `give` raise VerificationError for a block that must not be believed.
    """

    def __init__(self, trusted: LightBlock, target: LightBlock, options: Options, now_ns: int) -> None:
        self.trace = [trusted]
        self.wanted: int | None = None
        self._options = options
        self._now_ns = now_ns
        self._waiting = [target]
        self._advance()

    def give(self, block: LightBlock) -> None:
        """Take the block of the height that was wanted."""
        if block.height != self.wanted:
            raise WrongAnswer("height", self.wanted, block.height)
        self._waiting.append(block)
        self._advance()

    def _advance(self) -> None:
        """Verify as far as the blocks at hand reach. Those above are kept: they are tried again from every new height."""
        self.wanted = None
        while self._waiting:
            trusted, candidate = self.trace[-1], self._waiting[-1]
            verdict = verify(trusted, candidate, self._options, self._now_ns)
            match verdict:
                case Verified():
                    self.trace.append(self._waiting.pop())
                case NotEnoughTrust():
                    # 9/16 as in Go: validator sets drift slowly, so it pays to try a little beyond the middle.
                    self.wanted = trusted.height + max(1, (candidate.height - trusted.height) * 9 // 16)
                    return
                case Invalid(reason):
                    raise reason
                case _:
                    assert_never(verdict)
