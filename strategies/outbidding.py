"""Bidding in the open, step by step: one tick over the best rival, up to a limit, and never down again within a book.

Who looks at several books meets the same rivals in all of them. A book in which nobody bids yet is therefore opened one tick
over the best bid of the others, and the contest goes on where it stands instead of starting again in every book.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.vocabulary import TICK_UEUR_KWH, Mode, Side
from strategies.view import Quote, rivals


def best_rival_bid(quotes: Sequence[Quote]) -> int | None:
    """The highest open bid of another device in these books; None where nobody else bids."""
    return max((entry.limit_ueur_kwh for quote in quotes for entry in rivals(quote, Side.BUY)[:1]), default=None)


def rival_in(quote: Quote, quotes: Sequence[Quote]) -> int | None:
    """The bid to beat in a book: the best rival there, else the best one in the other books; None where nobody else bids."""
    here = best_rival_bid((quote,))
    return best_rival_bid(quotes) if here is None else here


def raised_bid(quote: Quote, quotes: Sequence[Quote], most_ueur_kwh: int) -> int:
    """The limit to bid openly in a book: a tick over the rival or the utility's bid, at most `most_ueur_kwh`."""
    rival = rival_in(quote, quotes)
    opening = (quote.book.tariff.bid_ueur_kwh if rival is None else rival) + TICK_UEUR_KWH
    own = (order.order for order in quote.standing)
    stands = max((o.limit_ueur_kwh for o in own if o.side == Side.BUY and o.mode == Mode.OPEN), default=opening)
    return min(max(opening, stands), most_ueur_kwh)
