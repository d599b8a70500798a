"""The registers that the gate decides by: caller numbers (作业工具), agencies, agreements, marks on cases.

Files describe them; what needs approval or history lives in the store and changes by command.
"""

from voicebot.store.agencies import Agencies
from voicebot.store.agreements import Agreement, Agreements, without_used_up
from voicebot.store.case_marks import APPROVALS, HOLDS, MARKS, CaseMarks, Mark
from voicebot.store.tools import Tool, Tools

__all__ = [
    "APPROVALS",
    "HOLDS",
    "MARKS",
    "Agencies",
    "Agreement",
    "Agreements",
    "CaseMarks",
    "Mark",
    "Tool",
    "Tools",
    "without_used_up",
]
