"""Conversations made by hand: a plain booking, and a crowded one."""

from antiphon.demo.story import Moment, Speech, Story, Who, Word

WORDS_A_SECOND = 2.9


def speech(who: Who, start: float, text: str, *, unheard: str = "", understood: str | None = None) -> Speech:
    """A speech at an even pace; what wasn't heard goes on at the same pace after the cut."""
    heard = text.split()
    words = [*heard, *unheard.split()]
    times = [round(start + index / WORDS_A_SECOND, 2) for index in range(len(words) + 1)]
    return Speech(
        who=who,
        start=start,
        end=times[len(heard)],
        words=tuple(
            Word(word, time, index < len(heard)) for index, (word, time) in enumerate(zip(words, times, strict=False))
        ),
        was_interrupted=bool(unheard),
        understood=understood,
    )


BOOKING = Story(
    speeches=(
        speech(
            "agent", 0.4, "Good evening, this is the Golden Lion. How can I help you?", understood="how can I help you"
        ),
        speech("caller", 5.2, "I'd like to book a table, please.", understood="i'd like to book a table please"),
        speech(
            "agent",
            8.4,
            "With pleasure. For how",
            unheard="many people may I reserve the table? We have room for up to twelve, inside or on the terrace.",
        ),
        speech("caller", 9.4, "For four people.", understood="for four people"),
        speech("agent", 11.3, "A table for four. On which day would you like to come?", understood="on which day"),
        speech("caller", 15.9, "On Friday at eight.", understood="on friday at eight"),
        speech("agent", 18.2, "Four people, Friday, eight o'clock. It is booked. Goodbye!", understood="goodbye"),
    ),
    moments=(
        Moment("failure", 5.9, "stt"),
        Moment("restart", 6.0, "stt"),
        Moment("interruption", 9.75),
    ),
    seconds=22.4,
)

CROWDED = Story(
    speeches=(
        speech("agent", 0.3, "Welcome to the restaurant reservation assistant."),
        speech("caller", 2.7, "Hello, I'd like to make a reservation for tomorrow evening", understood="reservation"),
        speech("agent", 5.9, "Certainly, for how many", unheard="people would you like to reserve?"),
        speech("caller", 6.9, "Four. No, wait, five. Possibly six."),
        speech("agent", 9.4, "Six people. At", unheard="what time tomorrow evening would you like to come to us?"),
        speech("caller", 10.1, "At eight"),
        speech("agent", 11.6, "Unfortunately the", unheard="restaurant is fully occupied at eight. " * 5),
        speech("caller", 12.2, "Then at half past nine"),
        speech("agent", 14.8, "I understood that you would like a table for six people tomorrow at half past nine."),
        speech("caller", 22.8, "Donaudampfschifffahrtsgesellschaftskapitän <Meier> & family"),
        speech("agent", 24.9, "Thank you. Shall I repeat the reservation for you once more before we finish?"),
        speech("caller", 31.0, "mhm"),
        speech(
            "agent",
            32.2,
            "You have reserved a table for six people, tomorrow at half past nine. Goodbye, and",
            unheard="thanks!",
        ),
        speech("caller", 36.9, "Thank you very much, goodbye"),
    ),
    moments=(
        Moment("failure", 4.0, "stt"),
        Moment("restart", 4.02, "stt"),
        Moment("failure", 4.3, "assistant"),
        Moment("restart", 4.4, "assistant"),
        Moment("interruption", 7.25),
        Moment("interruption", 10.4),
        Moment("failure", 11.7, "tts"),
        Moment("restart", 11.9, "tts"),
        Moment("interruption", 12.6),
        Moment("failure", 17.0, "llm"),
        Moment("restart", 17.0, "llm"),
        Moment("interruption", 37.1),
        Moment("failure", 44.8, "output"),
        Moment("restart", 45.0, "output"),
    ),
    seconds=45.0,
)
