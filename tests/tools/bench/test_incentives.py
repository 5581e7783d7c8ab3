"""What the market's rules promise, held against days of the recorded week: it does not pay to stay away or to play.

One party departs from its strategies, all others keep to theirs (`tools.bench.incentives`). docs/market.md says which
promises hold every day and which only over time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from agent.vocabulary import Kind, amount_ueur
from tools.bench import incentives
from tools.bench.incentives import BentRace, Tactic, bent, gain_ueur, never_trading, ordering, others_gain_ueur, shading
from tools.bench.race import Meter, Options, Outcome, Race
from tools.bench.race_world import UEUR, World, load_world

DAY = 96
DAYS = 3
CENT = UEUR // 100
EV_HOME, PLAIN_HOME, FORECASTLESS_HOME = "home 5", "home 1", "home 14"
