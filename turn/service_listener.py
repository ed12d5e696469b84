"""What services say of themselves: which turn strategies suit them, and whether the model hears and speaks by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import attrs

from ..actors import Effect, To, actor, durable, on
from ..channels import (
    ExternalTurns,
    Frame,
    LLMServiceMetadataFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    RealtimeServiceMetadataFrame,
    ServiceMetadataFrame,
    STTMetadataFrame,
)
from .peer_messages import Resolving
from .strategies import UserTurnStrategies
from .turn_keeper import TurnKeeper

__all__: list[str] = []

log = logging.getLogger("antiphon")

PROPOSALS = (ProposedUserStartedSpeakingFrame, ProposedUserStoppedSpeakingFrame)


@actor
class ServiceListener(TurnKeeper):
    """Chooses the strategies in force."""

    resolved: tuple[type[Frame], ...] = durable(())
    """Proposals that a strategy decides on, as the other half knows it."""
    ttfs_p99_latency: float = durable(1.0)
    """Seconds after a voice within which the transcriber tells what it said."""

    @on(LLMServiceMetadataFrame, RealtimeServiceMetadataFrame)
    def hear_of_model(self, frame: LLMServiceMetadataFrame | RealtimeServiceMetadataFrame) -> Iterator[Effect]:
        yield frame
        self.note_model(frame)
        if isinstance(frame, ServiceMetadataFrame):
            yield from self._take_recommendation(frame)
        yield from self.switch()
        yield from self.adapt_to_mode()

    @on(STTMetadataFrame)
    def hear_of_transcriber(self, frame: STTMetadataFrame) -> Iterator[Effect]:
        if (yield from self.is_muted(frame)):
            return
        yield frame
        yield from self._take_recommendation(frame)
        yield from self.adapt_to_mode()
        self.ttfs_p99_latency = frame.ttfs_p99_latency
        yield from self.consider(frame)

    @on(*PROPOSALS)
    def take_proposal(self, frame: Frame) -> Iterator[Effect]:
        if (yield from self.is_muted(frame)):
            return
        assert self.turn is not None
        if not self.turn.resolves(frame):
            yield frame
        yield from self.consider(frame)

    def _take_recommendation(self, frame: ServiceMetadataFrame) -> Iterator[Effect]:
        """A service says which strategies suit it."""
        strategies = frame.user_turn_strategies
        if isinstance(strategies, (UserTurnStrategies, ExternalTurns)) and self.turn is not None:
            self.turn, decisions = self.turn.with_recommended(strategies, self.now)
            yield from self.carry_out(decisions)
            yield from self.tell_resolved()

    def tell_resolved(self) -> Iterator[Effect]:
        """A proposal from between the halves goes both ways: the other half must know whether its twin goes on."""
        assert self.turn is not None
        resolved = tuple(kind for kind in PROPOSALS if self.turn.resolves(kind()))
        if self.assistant is not None and resolved != self.resolved:
            self.resolved = resolved
            yield To(self.assistant, Resolving(resolved))

    def switch(self) -> Iterator[Effect]:
        """To realtime, if it is time."""
        if self.may_switch:
            self.has_switched = True
            yield from self.adapt_to_mode()

    def adapt_to_mode(self) -> Iterator[Effect]:
        """In realtime mode nobody is held back, and turns don't wait for transcripts, unless they are told to."""
        config = self.config()
        if config is None:
            return
        assert self.turn is not None
        self.turn = attrs.evolve(self.turn, config=self.turn_config())
        if config.turns_await_transcripts:
            return
        strategies, changed = self.turn.strategies.without_transcripts()
        if not changed:
            return
        level = logging.WARNING if self.turn.is_chosen else logging.DEBUG
        log.log(
            level,
            "%s: in realtime mode turns don't wait for transcripts: changed %s.",
            self.address,
            ", ".join(changed),
        )
        self.turn, decisions = self.turn.with_strategies(strategies, self.now, is_chosen=self.turn.is_chosen)
        yield from self.carry_out(decisions)
        yield from self.tell_resolved()
