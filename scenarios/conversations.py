"""Random conversations: who speaks when, over whom, what they mean to say, and what goes wrong, all from one seed.

1. A conversation is a value: a place in the grid of settings, and a script for `play`. Its cast follows from it.
2. Nothing of a script depends on what happens, so any part of it can be left out to see whether the rest is enough.
3. Moments are drawn from a continuum: what happens at one instant is one item of the script.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import attrs

from ..actors import Address, Backoff, Both, Down, Effect, Interrupt, Pipeline, To, Up, child
from ..actors.services.scripted_tts import ScriptedTTS
from ..actors.transports.audio_output import AudioOutput
from ..actors.transports.devices import AudioSink, NullSink
from ..channels import (
    CancelFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    InterruptionWorkerFrame,
    LLMContext,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMUpdateSettingsFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StopFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    TTSUpdateSettingsFrame,
    UserIdleTimeoutUpdateFrame,
    UserImageRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADParams,
    VADParamsUpdateFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from ..turn import (
    AlwaysUserMuteStrategy,
    ExternalUserTurnStrategies,
    FirstSpeechUserMuteStrategy,
    FunctionCallUserMuteStrategy,
    LLMContextAggregatorPair,
    MinWordsUserTurnStartStrategy,
    RealtimeServiceModeConfig,
    SilenceTurnAnalyzer,
    SpeechTimeoutUserTurnStopStrategy,
    TurnAnalyzerUserTurnStopStrategy,
    UserMuteStrategy,
    UserTurnStrategies,
    VADUserTurnStartStrategy,
    WakePhraseUserTurnStartStrategy,
)
from ..turn.strategies import AnyStartStrategy, TranscriptionUserTurnStartStrategy
from .cast import Begin, Camera, Emit, Forget, Lag, Remark, SeededLLM, SeededS2S, answer_plan
from .play import Item, Kill, Sleep, play
from .trace import Trace

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["Conversation", "conversation", "conversations"]

Mode: TypeAlias = RealtimeServiceModeConfig | Literal["auto"] | None
Edges: TypeAlias = Literal["proposed", "announced"] | None
Fault: TypeAlias = Literal["fails at", "hangs at", "is silent at", "loses"]
Timeline: TypeAlias = list[tuple[float, Item]]

MODES: tuple[Mode, ...] = (
    None,
    None,
    "auto",
    RealtimeServiceModeConfig(),
    RealtimeServiceModeConfig(turns_await_transcripts=True),
    RealtimeServiceModeConfig(context_writes_await_turns=True, turns_await_transcripts=True),
)
MUTES: tuple[tuple[type[UserMuteStrategy[object]], ...], ...] = (
    (FunctionCallUserMuteStrategy,),
    (AlwaysUserMuteStrategy,),
    (FirstSpeechUserMuteStrategy,),
)  # type: ignore[assignment]  # each has a state of its own kind
STARTS: Mapping[str, tuple[AnyStartStrategy, ...]] = {
    "any": (),
    "several words": (MinWordsUserTurnStartStrategy(2),),
    "several words or voice": (MinWordsUserTurnStartStrategy(2), VADUserTurnStartStrategy()),
    "wake phrase": (
        WakePhraseUserTurnStartStrategy("hey you", timeout=4.0),
        VADUserTurnStartStrategy(),
        TranscriptionUserTurnStartStrategy(),
    ),
}
"""Who begins the user's turns; of nobody the default ones do."""
CHUNK = 0.1
"""Seconds of sound that the output hands over at once: longer than usual, since nothing here is about the length of chunks."""
LIMIT = 300.0
"""Virtual seconds after which a conversation hangs."""


@attrs.frozen
class Conversation:
    """What is tried: settings, and what happens when. `play` gives its trace."""

    seed: int
    mode: Mode
    hears_and_speaks: bool
    """Whether the model is a speech-to-speech one."""
    allow_interruptions: bool
    has_voice: bool
    """Voice activity is told."""
    edges: Edges
    """A service tells where turns begin and end."""
    word_times: bool
    late_window: float
    """Seconds; `late_transcript_window`."""
    resumes: bool
    """A bot held for a noise goes on."""
    stop: Literal["analyser", "timeout"]
    mute: int | None
    """Which of the mute strategies, if any."""
    small_lanes: bool
    start: str = "any"
    """Who begins the user's turns: a key of `STARTS`."""
    fault: tuple[Fault, str] | None = None
    """What is wrong with the voice, and at which word."""
    lag: str | None = None
    """Before whom somebody stands who takes his time."""
    idle: float = 0.0
    """Seconds of silence after which the user is idle; 0: never."""
    script: tuple[Item, ...] = attrs.field(default=(), kw_only=True)

    def pipeline(self, *, immediate: bool = False, device: AudioSink | None = None) -> Pipeline:
        """The cast. `immediate`: whoever is killed is back at once, however often. `device`: whom the output plays to."""
        backoff = Backoff(first=0.0) if immediate else Backoff(first=0.3)
        pair = LLMContextAggregatorPair(
            LLMContext(),
            realtime_service_mode=self.mode,
            user_turn_strategies=self._strategies(),
            user_mute_strategies=() if self.mute is None else tuple(kind() for kind in MUTES[self.mute]),
            allow_interruptions=self.allow_interruptions,
            late_transcript_window=self.late_window,
            false_interruption_timeout=1.5 if self.resumes else None,
            user_idle_timeout=self.idle,
            vad=None,
        )
        output = AudioOutput(device or NullSink(), chunk=CHUNK, name="output")
        if self.hears_and_speaks:
            recommended = ExternalUserTurnStrategies(enable_interruptions=self.allow_interruptions)
            model = SeededS2S(
                self.seed, word_times=self.word_times, strategies=recommended if self.edges else None, name="s2s"
            )
            actors = [pair.user, model, output, pair.assistant]
        else:
            voice = ScriptedTTS(
                word_secs=0.2,
                word_times=self.word_times,
                chunk_secs=0.1,
                fails_at=self._faulty("fails at"),
                hangs_at=self._faulty("hangs at"),
                silent_at=filter(None, [self._faulty("is silent at")]),
                loses=filter(None, [self._faulty("loses")]),
                name="tts",
            )
            actors = [pair.user, SeededLLM(self.seed, name="llm"), voice, output, pair.assistant]
        if self.lag is not None:
            at = next(at for at, each in enumerate(actors) if each.address.name == self.lag)
            actors.insert(at, Lag(name="lag"))
        actors.insert(0, Camera(name="camera"))
        room = 8 if self.small_lanes else 256
        return Pipeline(
            *(child(each, backoff=backoff, max_buffer=room) for each in actors), max_restarts=100, max_buffer=room
        )

    def play(
        self,
        *,
        direct: bool = True,
        kills: Iterable[Kill] = (),
        immediate: bool = False,
        device: AudioSink | None = None,
    ) -> Trace:
        """Let it happen, in virtual time, in an order that the seed decides. For the rest see `pipeline`."""
        pipeline = self.pipeline(immediate=immediate, device=device)
        return play(pipeline, (*kills, *self.script), seed=self.seed, direct=direct, limit=LIMIT)

    def without_kills(self) -> Conversation:
        """The same, in which nobody dies."""
        return attrs.evolve(self, script=tuple(item for item in self.script if not isinstance(item, Kill)))

    @property
    def cast(self) -> tuple[str, ...]:
        """The names of who takes part."""
        model = ("s2s",) if self.hears_and_speaks else ("llm", "tts")
        return ("user", *model, "output", "assistant", *(("lag",) if self.lag else ()))

    def _faulty(self, fault: Fault) -> str | None:
        """The word with which that is wrong."""
        return self.fault[1] if self.fault is not None and self.fault[0] == fault else None

    def _strategies(self) -> UserTurnStrategies | None:
        if self.edges and not self.hears_and_speaks:
            return ExternalUserTurnStrategies(enable_interruptions=self.allow_interruptions)
        if self.edges:
            return None
        start = STARTS[self.start]
        if self.stop == "timeout":
            return UserTurnStrategies(start, (SpeechTimeoutUserTurnStopStrategy(),))
        return UserTurnStrategies(start, (TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer()),))


def conversation(seed: int) -> Conversation:
    """The conversation of that seed."""
    return _compose(random.Random(f"conversation {seed}"), seed)


def conversations() -> SearchStrategy[Conversation]:
    """A Hypothesis strategy for conversations: what fails is made smaller, towards the first of each choice.

    Needs Hypothesis, which Antiphon itself doesn't.
    """
    from hypothesis import strategies as st

    return st.builds(_compose, st.randoms(use_true_random=False), st.integers(0, 2**32))


# ---- the settings


def _compose(chance: random.Random, seed: int) -> Conversation:
    mode = chance.choice(MODES)
    hears = mode is not None and (mode != "auto" or chance.random() < 0.7)
    edges: Edges = None
    if chance.random() < 0.35:
        edges = "announced" if hears and chance.random() < 0.5 else "proposed"
    blank = Conversation(
        seed=seed,
        mode=mode,
        hears_and_speaks=hears,
        allow_interruptions=chance.random() < 0.75,
        has_voice=chance.random() < 0.7,
        edges=edges,
        word_times=chance.random() < 0.7,
        late_window=chance.choice((0.0, 1.0)),
        resumes=chance.random() < 0.5,
        stop=chance.choice(("analyser", "timeout")),
        # A mute swallows what a service announces, so its edges wouldn't alternate any more.
        mute=chance.randrange(len(MUTES)) if chance.random() < 0.15 and edges != "announced" else None,
        small_lanes=chance.random() < 0.3,
        start="any" if edges or chance.random() < 0.7 else chance.choice(tuple(STARTS)[1:]),
        fault=None if hears or chance.random() < 0.8 else _fault(seed, chance),
        lag=None if chance.random() < 0.8 else chance.choice(("s2s", "output") if hears else ("llm", "tts", "output")),
        idle=chance.choice((0.0, 0.0, 2.0)),
    )
    return attrs.evolve(blank, script=tuple(_script(_Writer(blank, chance))))


def _fault(seed: int, chance: random.Random) -> tuple[Fault, str] | None:
    """Something is wrong with the voice at a word of one of the first answers."""
    words = answer_plan(seed, chance.randint(1, 4), may_call=False).words
    kinds: tuple[Fault, ...] = get_args(Fault)
    return (chance.choice(kinds), chance.choice(words)[0]) if words else None


def _script(writer: _Writer) -> Iterator[Item]:
    """What happens, in order of time, with the time between."""
    passed = 0.0
    for moment, item in sorted(writer.timeline(), key=lambda each: each[0]):
        if moment > passed:
            yield Sleep(moment - passed)
            passed = moment
        yield item


# ---- what happens


@attrs.define
class _Writer:
    """Writes one script. What it writes goes through the mouth of whoever is there to tell it."""

    of: Conversation
    chance: random.Random
    moments: Timeline = attrs.field(factory=list)
    edges_end: float = 0.0
    """When the last edge of a turn is told."""
    utterances: int = 0
    notes: int = 0

    def timeline(self) -> Timeline:
        chance, now = self.chance, 0.0
        if chance.random() < 0.15:
            self.moments.append((0.0, LLMRunFrame()))
        for _ in range(chance.randint(1, 6)):
            now = self._utterance(now + self._gap())
            if chance.random() < 0.25:
                self._beside(now)
        if chance.random() < 0.35:
            self._kill(now)
        self._ending(now)
        return self.moments

    def _gap(self) -> float:
        """Between the end of what the user says and the next beginning: at once, into the answer, after it."""
        return self.chance.uniform(*self.chance.choice(((0.01, 0.4), (0.4, 1.5), (0.8, 2.5), (0.8, 2.5), (2.0, 6.0))))

    def _at(self, moment: float, *what: Frame | Effect) -> None:
        """The user is heard: told by the speech-to-speech model, or by whoever stands before the pair."""
        if self.of.hears_and_speaks:
            told = tuple(Up(each) if isinstance(each, Frame) else each for each in what)
            self.moments.append((moment, To(SPEAKER, Emit(told))))
        else:
            for each in what:
                assert isinstance(each, Frame)
                self.moments.append((moment, each))

    def _utterance(self, begin: float) -> float:
        """Somebody speaks: edges, guesses, words, late or not. Gives when the voice ends."""
        chance = self.chance
        seconds = chance.uniform(0.1, 1.8)
        end = begin + seconds
        parts = chance.choice((0, 0, 1, 1, 1, 2, 3, 4))
        self._edges(begin, end)
        late = chance.choice((0.0, 0.0, 0.15, 0.15, 0.15, chance.uniform(0.2, 3.0)))
        for at in range(parts):
            heard = begin + seconds * (at + 1) / parts + chance.uniform(0.0, 0.05)
            if at == parts - 1:
                heard += late
            self._words(heard, at, is_last=at == parts - 1)
        self.utterances += 1
        if self.of.hears_and_speaks:
            for _ in range(chance.choice((0, 1, 1, 1, 1, 2))):
                self.moments.append((end + chance.uniform(0.05, 1.0), To(SPEAKER, Begin())))
        return end

    def _edges(self, begin: float, end: float) -> None:
        chance = self.chance
        if self.of.has_voice and chance.random() < 0.9:
            self.moments.append((begin, VADUserStartedSpeakingFrame()))
            self.moments.append((end, VADUserStoppedSpeakingFrame()))
        first = max(begin + chance.uniform(0.0, 0.1), self.edges_end + 0.01)
        last = max(end + chance.uniform(0.0, 0.2), first + 0.01)
        if self.of.edges == "proposed":
            started, stopped = ProposedUserStartedSpeakingFrame(), ProposedUserStoppedSpeakingFrame()
            up = self.of.hears_and_speaks
            self._at(first, Both(started) if up else started)
            self._at(last, Both(stopped) if up else stopped)
            self.edges_end = last
        elif self.of.edges == "announced":
            begun = (Both(UserStartedSpeakingFrame()), *((Interrupt(),) if self.of.allow_interruptions else ()))
            self._at(first, *begun)
            self._at(last, Both(UserStoppedSpeakingFrame()))
            self.edges_end = last
        elif self.of.hears_and_speaks and self.of.allow_interruptions and chance.random() < 0.6:
            self._at(begin + chance.uniform(0.0, 0.1), Interrupt())

    def _words(self, moment: float, part: int, *, is_last: bool) -> None:
        chance = self.chance
        words = " ".join(f"u{self.utterances}p{part}w{at}" for at in range(chance.choice((1, 1, 2, 4))))
        if self.of.start == "wake phrase" and chance.random() < 0.5:
            words = f"Hey, you: {words}"
        if chance.random() < 0.3:
            self._at(moment - 0.02, InterimTranscriptionFrame(words.split()[0]))
        self._at(moment, TranscriptionFrame(words, finalized=is_last and chance.random() < 0.6))
        if chance.random() < 0.05:
            self._at(moment + chance.uniform(0.0, 0.3), TranscriptionFrame(" "))
        if chance.random() < 0.05:
            self._at(moment + chance.uniform(0.0, 0.3), TranscriptionFrame("Mhm.", finalized=True))

    def _beside(self, now: float) -> None:
        """Something that isn't speech, around this moment."""
        chance = self.chance
        moment = max(0.0, now + chance.uniform(-1.5, 2.5))
        self.notes += 1
        happens: list[Item] = [
            InputTextRawFrame(f"t{self.notes}w0 t{self.notes}w1"),
            *self._edits(),
            *self._edits(),
            *(To(self._model, Emit((Down(edit),))) for edit in self._edits()),
            LLMSetToolsFrame(({"name": f"tool_{self.notes}"},)),
            LLMRunFrame(),
            InterruptionFrame(),
            InterruptionWorkerFrame(),
            STTMetadataFrame("stt", ttfs_p99_latency=chance.choice((0.2, 0.6))),
            ErrorFrame("something went wrong"),
            self._settings(),
        ]
        if not self.of.hears_and_speaks:
            speak = TTSSpeakFrame(f"S{self.notes}w0 S{self.notes}w1 S{self.notes}w2.")
            happens += [speak, attrs.evolve(speak, append_to_context=False)]
        if not self.of.edges and self.of.mute is None:  # a muted user may be spoken for
            self.moments.append((moment + 0.4, EmulateUserStoppedSpeakingFrame()))
            happens = [*happens, EmulateUserStartedSpeakingFrame()]
        self.moments.append((moment, chance.choice(happens)))

    def _edits(self) -> tuple[Frame, ...]:
        """The application, or somebody behind the model, changes the context."""
        name, runs = f"n{self.notes}w0", self.chance.choice((None, False, True, True))
        note = ({"role": "developer", "content": name},)
        transform = self.chance.choice((Forget(name), Remark(name)))
        image = UserImageRawFrame(b"123", size=(1, 1), append_to_context=True, run_llm=runs)
        return (
            LLMMessagesAppendFrame(note, run_llm=runs),
            LLMMessagesUpdateFrame(note, run_llm=runs),
            LLMMessagesTransformFrame(transform, run_llm=runs),
            image,
        )

    def _settings(self) -> Frame:
        return self.chance.choice(
            (
                LLMUpdateSettingsFrame(settings={"temperature": 0.5}),
                TTSUpdateSettingsFrame(settings={"voice": "another"}),
                LLMSetToolChoiceFrame("auto"),
                UserIdleTimeoutUpdateFrame(2.0),
                VADParamsUpdateFrame(VADParams(stop_secs=0.3)),
            )
        )

    @property
    def _model(self) -> Address:
        return SPEAKER if self.of.hears_and_speaks else THINKER

    def _kill(self, now: float) -> None:
        for _ in range(self.chance.choice((1, 1, 2))):
            name = self.chance.choice(self.of.cast)
            self.moments.append((self.chance.uniform(0.1, now + 2.0), Kill(name)))

    def _ending(self, now: float) -> None:
        """The session ends in the middle of it all, after it, or is left alone."""
        chance = self.chance
        frame = chance.choice((EndFrame(), EndFrame(), CancelFrame(), StopFrame(), None))
        moment = now + chance.choice((chance.uniform(-1.0, 2.0), chance.uniform(2.0, 8.0)))
        if frame is not None:
            self.moments = [each for each in self.moments if each[0] < moment]
            self.moments.append((max(0.0, moment), frame))


SPEAKER = SeededS2S(0, name="s2s").address
"""The speech-to-speech model's."""
THINKER = SeededLLM(0, name="llm").address
"""The language model's."""
