"""Who may speak: voice activity, the beginning and the end of turns, and the pair that keeps the context."""

from .assistant_half import (
    AssistantHalf as AssistantHalf,
)
from .empty_turn import (
    EmptyUserTurn as EmptyUserTurn,
    recovery_prompt as recovery_prompt,
)
from .events import (
    AssistantBackchannelMessage as AssistantBackchannelMessage,
    AssistantThoughtMessage as AssistantThoughtMessage,
    AssistantTurnStoppedMessage as AssistantTurnStoppedMessage,
    HalfView as HalfView,
    UserBackchannelMessage as UserBackchannelMessage,
    UserTurnMessageAddedMessage as UserTurnMessageAddedMessage,
    UserTurnStoppedMessage as UserTurnStoppedMessage,
)
from .idle import (
    IdleDecision as IdleDecision,
    IdleTimer as IdleTimer,
    IdleWait as IdleWait,
    NothingToAnswer as NothingToAnswer,
    UserIdle as UserIdle,
)
from .latency import (
    LatencyTracker as LatencyTracker,
)
from .latency_metrics import (
    LatencyMetrics as LatencyMetrics,
)
from .lone_assistant import (
    LoneAssistant as LoneAssistant,
)
from .mute import (
    AlwaysUserMuteStrategy as AlwaysUserMuteStrategy,
    FirstSpeechUserMuteStrategy as FirstSpeechUserMuteStrategy,
    FunctionCallUserMuteStrategy as FunctionCallUserMuteStrategy,
    MuteUntilFirstBotCompleteUserMuteStrategy as MuteUntilFirstBotCompleteUserMuteStrategy,
    MuteVerdict as MuteVerdict,
    UserMute as UserMute,
    UserMuteStrategy as UserMuteStrategy,
)
from .pair import (
    LLMContextAggregatorPair as LLMContextAggregatorPair,
)
from .pair_params import (
    LLMAssistantAggregatorParams as LLMAssistantAggregatorParams,
    LLMUserAggregatorParams as LLMUserAggregatorParams,
)
from .prosody import (
    Prosody as Prosody,
    prosody_of as prosody_of,
)
from .prosody_analyzer import (
    ProsodyTurnAnalyzer as ProsodyTurnAnalyzer,
)
from .realtime_mode import (
    HalvesDisagree as HalvesDisagree,
    RealtimeMode as RealtimeMode,
    RealtimeServiceModeConfig as RealtimeServiceModeConfig,
    announces_realtime as announces_realtime,
    config_in_force as config_in_force,
    config_of as config_of,
    needs_both_halves as needs_both_halves,
)
from .silence_analyzer import (
    SilenceTurnAnalyzer as SilenceTurnAnalyzer,
)
from .silero_vad import (
    SileroAnalyzer as SileroAnalyzer,
    SileroVAD as SileroVAD,
)
from .strategies import (
    AnswerBegan as AnswerBegan,
    AnyStartStrategy as AnyStartStrategy,
    AnyStopStrategy as AnyStopStrategy,
    DeferredUserTurnStopStrategy as DeferredUserTurnStopStrategy,
    Event as Event,
    ExternalCompletionUserTurnStopStrategy as ExternalCompletionUserTurnStopStrategy,
    ExternalUserTurnStartStrategy as ExternalUserTurnStartStrategy,
    ExternalUserTurnStopStrategy as ExternalUserTurnStopStrategy,
    ExternalUserTurnStrategies as ExternalUserTurnStrategies,
    FilterIncompleteUserTurnStrategies as FilterIncompleteUserTurnStrategies,
    HideFromRest as HideFromRest,
    InterruptionPredictionUserTurnStartStrategy as InterruptionPredictionUserTurnStartStrategy,
    LLMTurnCompletionUserTurnStopStrategy as LLMTurnCompletionUserTurnStopStrategy,
    MinWordsUserTurnStartStrategy as MinWordsUserTurnStartStrategy,
    Prompt as Prompt,
    RejectSpeech as RejectSpeech,
    Send as Send,
    SpeechTimeoutUserTurnStopStrategy as SpeechTimeoutUserTurnStopStrategy,
    StartTurn as StartTurn,
    StopTurn as StopTurn,
    StrategyDecision as StrategyDecision,
    TranscriptionUserTurnStartStrategy as TranscriptionUserTurnStartStrategy,
    TriggerInference as TriggerInference,
    TurnAnalyzerUserTurnStopStrategy as TurnAnalyzerUserTurnStopStrategy,
    TurnClosed as TurnClosed,
    TurnFacts as TurnFacts,
    TurnOpened as TurnOpened,
    TurnTriggered as TurnTriggered,
    UserTurnCompletionConfig as UserTurnCompletionConfig,
    UserTurnStartStrategy as UserTurnStartStrategy,
    UserTurnStopStrategy as UserTurnStopStrategy,
    UserTurnStrategies as UserTurnStrategies,
    UserTurnStrategy as UserTurnStrategy,
    VADUserTurnStartStrategy as VADUserTurnStartStrategy,
    Wait as Wait,
    Waited as Waited,
    WakePhraseUserTurnStartStrategy as WakePhraseUserTurnStartStrategy,
    default_start_strategies as default_start_strategies,
    default_stop_strategies as default_stop_strategies,
)
from .tracker import (
    KindOf as KindOf,
    Tracker as Tracker,
)
from .turn_analyzer import (
    TurnAnalyzer as TurnAnalyzer,
    TurnAnalyzerParams as TurnAnalyzerParams,
    TurnJudge as TurnJudge,
    TurnVerdict as TurnVerdict,
)
from .turn_decisions import (
    Backchannel as Backchannel,
    Evidence as Evidence,
    FalseInterruption as FalseInterruption,
    InferenceTriggered as InferenceTriggered,
    Rejected as Rejected,
    Timer as Timer,
    TurnDecision as TurnDecision,
    TurnStarted as TurnStarted,
    TurnStopped as TurnStopped,
    TurnTimer as TurnTimer,
    Warn as Warn,
)
from .turn_marks import (
    MarkedAnswer as MarkedAnswer,
    TurnMarks as TurnMarks,
)
from .turn_tracking import (
    TurnTracker as TurnTracker,
)
from .user_half import (
    UserHalf as UserHalf,
)
from .user_turn import (
    UserTurn as UserTurn,
    UserTurnConfig as UserTurnConfig,
)
from .user_turns import (
    UserTurns as UserTurns,
)
from .vad import (
    VAD as VAD,
)
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
