"""Rules that say when the user's turn begins and when it is over: values, each in a file of its own."""

from .completion_stop import (
    AnswerBegan as AnswerBegan,
    ExternalCompletionUserTurnStopStrategy as ExternalCompletionUserTurnStopStrategy,
    LLMTurnCompletionUserTurnStopStrategy as LLMTurnCompletionUserTurnStopStrategy,
    UserTurnCompletionConfig as UserTurnCompletionConfig,
)
from .deferred_stop import DeferredUserTurnStopStrategy as DeferredUserTurnStopStrategy
from .external_start import ExternalUserTurnStartStrategy as ExternalUserTurnStartStrategy
from .external_stop import ExternalUserTurnStopStrategy as ExternalUserTurnStopStrategy
from .interruption_prediction_start import (
    InterruptionPredictionUserTurnStartStrategy as InterruptionPredictionUserTurnStartStrategy,
)
from .min_words_start import MinWordsUserTurnStartStrategy as MinWordsUserTurnStartStrategy
from .speech_timeout_stop import SpeechTimeoutUserTurnStopStrategy as SpeechTimeoutUserTurnStopStrategy
from .strategy import (
    Event as Event,
    HideFromRest as HideFromRest,
    Prompt as Prompt,
    RejectSpeech as RejectSpeech,
    Send as Send,
    StartTurn as StartTurn,
    StopTurn as StopTurn,
    StrategyDecision as StrategyDecision,
    TriggerInference as TriggerInference,
    TurnClosed as TurnClosed,
    TurnFacts as TurnFacts,
    TurnOpened as TurnOpened,
    TurnTriggered as TurnTriggered,
    UserTurnStartStrategy as UserTurnStartStrategy,
    UserTurnStopStrategy as UserTurnStopStrategy,
    UserTurnStrategy as UserTurnStrategy,
    Wait as Wait,
    Waited as Waited,
)
from .transcription_start import TranscriptionUserTurnStartStrategy as TranscriptionUserTurnStartStrategy
from .turn_analyzer_stop import TurnAnalyzerUserTurnStopStrategy as TurnAnalyzerUserTurnStopStrategy
from .user_turn_strategies import (
    AnyStartStrategy as AnyStartStrategy,
    AnyStopStrategy as AnyStopStrategy,
    ExternalUserTurnStrategies as ExternalUserTurnStrategies,
    FilterIncompleteUserTurnStrategies as FilterIncompleteUserTurnStrategies,
    UserTurnStrategies as UserTurnStrategies,
    default_start_strategies as default_start_strategies,
    default_stop_strategies as default_stop_strategies,
)
from .vad_start import VADUserTurnStartStrategy as VADUserTurnStartStrategy
from .wake_phrase_start import WakePhraseUserTurnStartStrategy as WakePhraseUserTurnStartStrategy
