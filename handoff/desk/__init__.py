"""The desk: what agents, supervisors and people of operations see and do in a browser.

It is a process of its own.  Every run on the machine keeps a line to it (`line`) and tells it of its queue
and cards; the desk tells the runs who is there and what was pressed.  A desk that is away costs no call.
"""
