"""What holds in every conversation, as functions over a trace: point them at your own agent.

`check(trace)` looks through a play and complains of what shouldn't have happened, `compare(trace, other, 31)` of what two
plays should have in common. An invariant finds the two halves of the pair and the output by what they send; where a trace
lacks what it needs it says nothing.
"""

from .catalogue import ALL as ALL, check as check, compare as compare
from .complaint import Complaint as Complaint, Finding as Finding, Invariant as Invariant
from .reading import Reading as Reading
