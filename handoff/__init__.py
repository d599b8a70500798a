"""From the bot to a briefed person and, where that fails, safely back.

Supervisor: `agents` who may take calls · `settings` how a queue behaves · `queue` who is rung next.
Worker: `consult` the warm transfer · `consult_leg` the leg to the agent · `hold` what a waiting debtor hears.
Both: `states` closed lists · `seat` what a call sees of the queue · `seat_line` the two joined over a line.
"""
