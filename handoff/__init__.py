"""From the bot to a briefed person and, where that fails, safely back.

Supervisor: `agents` who may take calls · `staff` what commands say of them · `settings` how a queue behaves ·
`queue` who is rung next · `presence` what a queue shows of itself.
Worker: `consult` the warm transfer · `consult_leg` the leg to the agent · `hold` what a waiting debtor hears.
In a browser: `desk` its pages · `card` what an agent sees of a case.
Both: `states` closed lists · `seat` what a call sees of the queue · `seat_line` the two joined over a line.
"""
