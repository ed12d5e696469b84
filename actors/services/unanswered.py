"""What a recogniser was given and hasn't answered: what another one in its place must be given again."""

from __future__ import annotations

from collections.abc import Hashable

import attrs

__all__ = ["Sound", "Unanswered"]


@attrs.frozen
class Sound:
    """A piece of sound, mono int16."""

    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio)} bytes>")
    position: int | None
    """Its first sample's place in the user's sound; None for silence of our own, which keeps a connection alive."""

    @property
    def samples(self) -> int:
        return len(self.audio) // 2

    @property
    def end(self) -> int | None:
        """The position behind its last sample."""
        return None if self.position is None else self.position + self.samples

    def without(self, samples: int) -> Sound:
        """What is left behind so many samples."""
        return Sound(self.audio[2 * samples :], None if self.position is None else self.position + samples)


@attrs.frozen
class Unanswered:
    """Sound and marks, in the order in which they were given. A mark is any other value: where an utterance begins, what is asked."""

    items: tuple[Hashable, ...] = ()
    samples: int = 0
    """Of the sound in it."""
    gone: int = 0
    """Samples before these that the present recogniser was given and hasn't answered, too old to be kept."""

    @property
    def has_voice(self) -> bool:
        """Whether there is sound of the user's in it."""
        return self.gone > 0 or any(isinstance(item, Sound) and item.position is not None for item in self.items)

    @property
    def has_marks(self) -> bool:
        return any(not isinstance(item, Sound) for item in self.items)

    def with_item(self, item: Hashable, *, longest: int) -> Unanswered:
        """One more. Of sound at least the newest `longest` samples are kept; marks stay."""
        items, samples, gone = (*self.items, item), self.samples, self.gone
        if isinstance(item, Sound):
            samples += item.samples
        while samples - longest > 0:
            place, oldest = _first_sound(items)
            items = (*items[:place], *items[place + 1 :])
            samples, gone = samples - oldest.samples, gone + oldest.samples
        return Unanswered(items, samples, gone)

    def given_anew(self) -> Unanswered:
        """To a recogniser that has had nothing yet."""
        return attrs.evolve(self, gone=0)

    def without(self, samples: int) -> Unanswered:
        """The oldest so many samples that the recogniser was given are answered; marks stay."""
        gone, left = max(0, self.gone - samples), max(0, samples - self.gone)
        items: list[Hashable] = []
        for item in self.items:
            if not isinstance(item, Sound):
                items.append(item)
                continue
            cut = min(left, item.samples)
            left -= cut
            if cut < item.samples:
                items.append(item.without(cut) if cut else item)
        return _counted(items, gone)

    def until(self, position: int) -> Unanswered:
        """The user's sound before this sample is answered, and silence of ours among it; marks stay."""
        items: list[Hashable] = []
        is_answered = True
        for item in self.items:
            if not isinstance(item, Sound) or not is_answered:
                items.append(item)
            elif item.position is not None and item.position + item.samples > position:
                is_answered = False
                cut = max(0, position - item.position)
                items.append(item.without(cut) if cut else item)
        return _counted(items, 0)

    def through(self, mark: Hashable) -> Unanswered:
        """The mark is answered, with all before it. Without such a mark nothing is."""
        if mark not in self.items:
            return self
        return _counted(list(self.items[self.items.index(mark) + 1 :]), 0)


def _first_sound(items: tuple[Hashable, ...]) -> tuple[int, Sound]:
    return next((place, item) for place, item in enumerate(items) if isinstance(item, Sound))


def _counted(items: list[Hashable], gone: int) -> Unanswered:
    return Unanswered(tuple(items), sum(item.samples for item in items if isinstance(item, Sound)), gone)
