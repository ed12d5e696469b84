"""Who may speak: voice activity, the beginning and the end of turns, and the pair that keeps the context."""

from .latency import LatencyTracker as LatencyTracker
from .latency_metrics import LatencyMetrics as LatencyMetrics
from .pair import (
    AssistantHalf as AssistantHalf,
    LLMContextAggregatorPair as LLMContextAggregatorPair,
    UserHalf as UserHalf,
)
from .tracker import KindOf as KindOf, Tracker as Tracker
from .turn_tracking import TurnTracker as TurnTracker
from .vad import (
    VAD as VAD,
    VADParams as VADParams,
    VADState as VADState,
    VoiceActivity as VoiceActivity,
    VoiceEdge as VoiceEdge,
    loudness as loudness,
)
from .voice_analyzer import (
    VoiceAnalyzer as VoiceAnalyzer,
    VoiceJudge as VoiceJudge,
    WebRTCAnalyzer as WebRTCAnalyzer,
)
