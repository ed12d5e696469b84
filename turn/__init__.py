"""Who may speak: voice activity, the beginning and the end of turns, and the pair that keeps the context."""

from .pair import (
    AssistantHalf as AssistantHalf,
    LLMContextAggregatorPair as LLMContextAggregatorPair,
    UserHalf as UserHalf,
)
from .prosody import (
    Prosody as Prosody,
    prosody_of as prosody_of,
)
from .prosody_analyzer import ProsodyTurnAnalyzer as ProsodyTurnAnalyzer
from .silero_vad import (
    SileroAnalyzer as SileroAnalyzer,
    SileroVAD as SileroVAD,
)
from .turn_analyzer import (
    TurnAnalyzer as TurnAnalyzer,
    TurnAnalyzerParams as TurnAnalyzerParams,
    TurnJudge as TurnJudge,
    TurnVerdict as TurnVerdict,
)
from .vad import VAD as VAD
from .voice_activity import (
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
from .voice_watch import (
    AudioIdle as AudioIdle,
    Ears as Ears,
    VoiceNews as VoiceNews,
    VoiceWatch as VoiceWatch,
)
