"""How a pipeline is tried out: plays in virtual time, traces, random conversations, and `invariants` to hold them against."""

from . import invariants as invariants
from .cast import (
    AnswerPlan as AnswerPlan,
    Begin as Begin,
    CallPlan as CallPlan,
    Camera as Camera,
    Ear as Ear,
    Emit as Emit,
    Forget as Forget,
    Lag as Lag,
    Remark as Remark,
    SeededLLM as SeededLLM,
    SeededS2S as SeededS2S,
    answer_plan as answer_plan,
)
from .conversations import (
    Conversation as Conversation,
    conversation as conversation,
    conversations as conversations,
)
from .play import Item as Item, Kill as Kill, Sleep as Sleep, play as play
from .trace import Trace as Trace, TraceRecorder as TraceRecorder
