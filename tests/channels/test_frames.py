"""Frames: values of a kind, made by `@frame`."""

import copy
import pickle
from typing import Any

import attrs
import pytest

from antiphon import channels
from antiphon.channels import (
    AggregatedTextFrame,
    BotBackchannelFrame,
    ControlFrame,
    DataFrame,
    EndFrame,
    ErrorFrame,
    FatalErrorFrame,
    Frame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    HeardFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    SpeechOutputAudioRawFrame,
    StartFrame,
    StartInterruptionFrame,
    SystemFrame,
    TextFrame,
    TranscriptionFrame,
    TranslationFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    Uninterruptible,
    UserAudioRawFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    frame,
)


def words(text: str) -> list[str]:
    return text.split()


SYSTEM = words("""
StartFrame CancelFrame CancelWorkerFrame InterruptionWorkerFrame WorkerSystemFrame ErrorFrame FatalErrorFrame
FrameProcessorPauseUrgentFrame FrameProcessorResumeFrame FrameProcessorResumeUrgentFrame ServiceMetadataFrame
STTMetadataFrame LLMServiceMetadataFrame RealtimeServiceMetadataFrame MetricsFrame BotConnectedFrame
ClientConnectedFrame UserStartedSpeakingFrame UserStoppedSpeakingFrame UserSpeakingFrame
VADUserStartedSpeakingFrame VADUserStoppedSpeakingFrame ProposedUserStartedSpeakingFrame
EmulateUserStartedSpeakingFrame EmulateUserStoppedSpeakingFrame EagerEndOfTurnCancelFrame
UserTurnInferenceCompletedFrame UserMuteStartedFrame UserMuteStoppedFrame STTMuteFrame
UserIdleTimeoutUpdateFrame BotStartedSpeakingFrame BotStoppedSpeakingFrame BotSpeakingFrame InterruptionFrame
StartInterruptionFrame BotInterruptionFrame SpeechControlParamsFrame InputAudioRawFrame UserAudioRawFrame
InputImageRawFrame UserImageRawFrame InputFileRawFrame UserFileRawFrame InputTextRawFrame
InputTransportMessageFrame InputDTMFFrame UserImageRequestFrame FunctionCallsStartedFrame
FunctionCallCancelFrame ExternalFunctionCallsStartedFrame ExternalFunctionCallInProgressFrame
ExternalFunctionCallResultFrame ExternalFunctionCallCancelFrame OutputTransportMessageUrgentFrame
OutputDTMFUrgentFrame LLMRunCancelFrame OutputPauseFrame OutputResumeFrame
""")

DATA = words("""
TextFrame LLMTextFrame VisionTextFrame AggregatedTextFrame TTSTextFrame AggregatedTextProgressFrame
LLMMarkerFrame LLMMarkerResponseFrame LLMThoughtTextFrame LLMContextFrame LLMRunFrame TTSSpeakFrame
TTSAudioRawFrame OutputAudioRawFrame SpeechOutputAudioRawFrame OutputImageRawFrame URLImageRawFrame
AssistantImageRawFrame SpriteFrame OutputTransportMessageFrame OutputDTMFFrame
""")

UNINTERRUPTIBLE_DATA = words("""
TranscriptionFrame InterimTranscriptionFrame EagerTranscriptionFrame TranslationFrame UserBackchannelFrame
LLMContextUserTurnFrame LLMContextAssistantTurnFrame LLMContextAssistantTimestampFrame LLMMessagesAppendFrame
LLMMessagesUpdateFrame LLMMessagesTransformFrame LLMSetToolsFrame LLMSetToolChoiceFrame
LLMEnablePromptCachingFrame LLMConfigureOutputFrame FunctionCallResultFrame BotBackchannelFrame
ContextCommittedFrame
""")

CONTROL = words("""
HeartbeatFrame WorkerFrame LLMFullResponseStartFrame LLMFullResponseEndFrame VisionFullResponseStartFrame
VisionFullResponseEndFrame LLMThoughtStartFrame LLMThoughtEndFrame LLMAssistantPushAggregationFrame
TTSStartedFrame TTSStoppedFrame
""")

UNINTERRUPTIBLE_CONTROL = words("""
EndFrame StopFrame EndWorkerFrame StopWorkerFrame PipelineFlushFrame FrameProcessorPauseFrame
ServiceSwitcherRequestMetadataFrame ServiceSwitcherFrame ManuallySwitchServiceFrame ServiceUpdateSettingsFrame
LLMUpdateSettingsFrame TTSUpdateSettingsFrame STTUpdateSettingsFrame OutputTransportReadyFrame
InputTransportStartAudioStreamingFrame ProposedUserStoppedSpeakingFrame VADParamsUpdateFrame
LLMSummarizeContextFrame LLMContextSummaryRequestFrame LLMContextSummaryResultFrame
FunctionCallInProgressFrame MixerControlFrame MixerUpdateSettingsFrame MixerEnableFrame VolumeFrame
VolumeGainFrame FilterControlFrame FilterUpdateSettingsFrame FilterEnableFrame AudioBufferStartRecordingFrame
AudioBufferStopRecordingFrame HeardFrame
""")

LEGACY = {
    "UninterruptibleFrame": "Uninterruptible",
    "EndTaskFrame": "EndWorkerFrame",
    "StopTaskFrame": "StopWorkerFrame",
    "CancelTaskFrame": "CancelWorkerFrame",
    "InterruptionTaskFrame": "InterruptionWorkerFrame",
    "TaskFrame": "WorkerFrame",
    "TaskSystemFrame": "WorkerSystemFrame",
}


@frame
class Parcel(DataFrame):
    weight: int
    label: str = ""


def kind(cls: type) -> tuple[str, bool]:
    """The lane's kind as a mailbox asks for it, and the class's immunity."""
    if issubclass(cls, SystemFrame):
        return "system", issubclass(cls, Uninterruptible)
    return "data" if issubclass(cls, DataFrame) else "control", issubclass(cls, Uninterruptible)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (SYSTEM, ("system", False)),
        (DATA, ("data", False)),
        (UNINTERRUPTIBLE_DATA, ("data", True)),
        (CONTROL, ("control", False)),
        (UNINTERRUPTIBLE_CONTROL, ("control", True)),
    ],
    ids=["system", "data", "uninterruptible data", "control", "uninterruptible control"],
)
@pytest.mark.rule("A1")
def test_each_frame_of_the_catalogue_has_its_kind(names: list[str], expected: tuple[str, bool]) -> None:
    assert {name: kind(getattr(channels, name)) for name in names} == dict.fromkeys(names, expected)


@pytest.mark.rule("A1")
def test_each_frame_is_in_the_catalogue() -> None:
    exported = {name for name, value in vars(channels).items() if isinstance(value, type) and issubclass(value, Frame)}
    bases = {"Frame", "SystemFrame", "DataFrame", "ControlFrame"}
    catalogue = {*SYSTEM, *DATA, *UNINTERRUPTIBLE_DATA, *CONTROL, *UNINTERRUPTIBLE_CONTROL}
    assert exported - bases - set(LEGACY) == catalogue


@pytest.mark.parametrize(("legacy", "name"), LEGACY.items())
@pytest.mark.rule("A1")
def test_a_legacy_name_is_another_name_for_the_same_class(legacy: str, name: str) -> None:
    assert getattr(channels, legacy) is getattr(channels, name)


@pytest.mark.parametrize(
    ("below", "above"),
    [
        (StartInterruptionFrame, InterruptionFrame),
        (FatalErrorFrame, ErrorFrame),
        (UserAudioRawFrame, InputAudioRawFrame),
        (TTSAudioRawFrame, OutputAudioRawFrame),
        (SpeechOutputAudioRawFrame, OutputAudioRawFrame),
        (LLMTextFrame, TextFrame),
        (AggregatedTextFrame, TextFrame),
        (TTSTextFrame, AggregatedTextFrame),
        (TranscriptionFrame, TextFrame),
        (InterimTranscriptionFrame, TextFrame),
        (TranslationFrame, TextFrame),
        (InputTextRawFrame, TextFrame),
        (BotBackchannelFrame, TTSSpeakFrame),
    ],
)
@pytest.mark.rule("A7")
def test_class_relations_hold_that_handlers_rely_on(below: type, above: type) -> None:
    assert issubclass(below, above)


@pytest.mark.rule("A9")
def test_what_a_class_adds_to_its_base_is_taken_by_position() -> None:
    assert TranscriptionFrame("hi", "u1") == TranscriptionFrame(text="hi", user_id="u1")


@pytest.mark.rule("A9")
def test_a_field_inherited_beyond_the_first_is_taken_by_keyword_only() -> None:
    spoken = TTSTextFrame("hello", "segment", 5, context_id="c")
    assert (spoken.segment_id, spoken.offset_ns, spoken.context_id) == ("segment", 5, "c")
    make: Any = TTSTextFrame
    with pytest.raises(TypeError, match="positional arguments"):
        make("hello", "segment", 5, "c")


@pytest.mark.rule("A9")
def test_sound_with_more_fields_takes_its_format_by_keyword() -> None:
    assert TTSAudioRawFrame(b"\0\0", "c", sample_rate=24000).context_id == "c"
    assert UserAudioRawFrame(b"\0\0", "ann", sample_rate=16000, num_channels=2).num_channels == 2


@pytest.mark.rule("A9")
def test_a_frame_that_adds_nothing_takes_what_its_base_takes() -> None:
    assert SpeechOutputAudioRawFrame(b"\0\0", 8000, 1).sample_rate == 8000


@pytest.mark.rule("A9")
def test_a_class_takes_its_own_fields_by_position() -> None:
    make: Any = TextFrame
    assert make("hi", True).skip_tts is True


@pytest.mark.parametrize("cls", [TTSStartedFrame, TTSStoppedFrame, VADUserStartedSpeakingFrame, StartFrame, EndFrame])
@pytest.mark.rule("A6")
def test_the_short_forms_without_arguments_work(cls: type[Frame]) -> None:
    assert cls() == cls()


@pytest.mark.rule("A8")
def test_equal_frames_hash_alike() -> None:
    assert len({TextFrame("a"), TextFrame("a"), TextFrame("b")}) == 2


def test_frames_of_two_classes_with_equal_fields_differ() -> None:
    plain: Frame = TextFrame("a")
    assert plain != LLMTextFrame("a", includes_inter_frame_spaces=False)


@pytest.mark.rule("A8")
def test_a_frame_can_not_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        TextFrame("a").text = "b"  # type: ignore[misc]


def test_a_frame_holds_nothing_beside_its_fields() -> None:
    with pytest.raises(AttributeError):
        object.__setattr__(UserStartedSpeakingFrame(), "note", 1)


@pytest.mark.parametrize(
    "sample",
    [
        InputAudioRawFrame(b"\1\2", 16000),
        TranscriptionFrame("hi", "u", result={"alternatives": [{"words": ["hi"]}]}),
        LLMContextFrame(LLMContext.from_messages([{"role": "user", "content": "hi"}])),
        FunctionCallResultFrame("move", "1", {"by": 3}, {"ok": [1, 2]}),
        EndFrame(),
    ],
    ids=lambda sample: type(sample).__name__,
)
@pytest.mark.rule("A8")
def test_a_frame_survives_pickling_and_copying(sample: Frame) -> None:
    assert pickle.loads(pickle.dumps(sample)) == copy.deepcopy(sample) == sample


def test_audio_shows_as_length_and_check_sum() -> None:
    assert "audio=<640 bytes c750f549>" in repr(InputAudioRawFrame(b"\1\2" * 320, 16000))


def test_bytes_of_a_frame_of_the_users_show_as_length_and_check_sum() -> None:
    @frame
    class Blob(DataFrame):
        content: bytes

    assert repr(Blob(b"abc")).endswith("Blob(content=<3 bytes 352441c2>)")


def test_num_frames_counts_samples_of_one_channel() -> None:
    assert InputAudioRawFrame(bytes(640), 16000, 2).num_frames == 160


@pytest.mark.rule("A8")
def test_lists_in_a_frame_become_tuples() -> None:
    call = FunctionCallFromLLM("move", "1", {"to": ["a", "b"]})
    assert FunctionCallsStartedFrame([call]).function_calls == (call,)
    assert call.arguments["to"] == ("a", "b")
    assert HeardFrame(1, [["c", 5]]).played == (("c", 5),)  # type: ignore[list-item]


@pytest.mark.rule("A8")
def test_messages_in_a_frame_are_immutable() -> None:
    appended = LLMMessagesAppendFrame([{"role": "user", "content": "hi"}])
    with pytest.raises(TypeError, match="can't be changed"):
        appended.messages[0]["content"] = "no"  # type: ignore[index]
    assert hash(appended) == hash(LLMMessagesAppendFrame([{"role": "user", "content": "hi"}]))


def test_an_error_frame_masks_credentials() -> None:
    error = ErrorFrame("401 for wss://user:hunter22@host/?api_key=abcdef123456, Authorization: Bearer abcdef.123456")
    assert error.error == "401 for wss://user:***@host/?api_key=***, Authorization: Bearer ***"


@pytest.mark.parametrize("key", ["", "12", "A"])
def test_a_key_that_no_telephone_has_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="a key is one of"):
        InputDTMFFrame(key)


def test_several_keys_are_given_as_one_string() -> None:
    assert OutputDTMFFrame(buttons="12#").buttons == ("1", "2", "#")


def test_a_users_frame_is_made_by_the_decorator() -> None:
    assert Parcel(3, "to Ann") == Parcel(weight=3, label="to Ann")


def test_a_users_frame_may_add_required_fields_to_a_text() -> None:
    @frame
    class Shouted(TextFrame):
        volume: int

    make: Any = Shouted
    assert make("HO", 11).volume == 11


def test_a_users_frame_may_add_required_fields_to_a_base_whose_fields_have_defaults() -> None:
    @frame
    class Hangup(EndFrame):
        cause: int  # type: ignore[misc]  # checkers don't know that the base's default yields

    make: Any = Hangup
    assert (make(16).cause, make(16, reason="busy").reason) == (16, "busy")


def test_a_users_frame_may_be_uninterruptible() -> None:
    @frame
    class Receipt(ControlFrame, Uninterruptible):
        total: int

    assert isinstance(Receipt(3), Uninterruptible)


def test_a_subclass_without_the_decorator_says_so_when_it_is_made() -> None:
    class Naked(DataFrame):
        weight: int

    with pytest.raises(TypeError, match="write @frame above `class Naked`"):
        Naked()


def test_a_frame_with_an_init_of_its_own_is_refused_at_definition() -> None:
    with pytest.raises(TypeError, match="Loud defines __init__"):

        class Loud(DataFrame):
            def __init__(self) -> None: ...


@pytest.mark.parametrize("default", [[], {}, set(), bytearray(), attrs.Factory(list), attrs.Factory(dict)])
def test_a_mutable_default_is_refused_at_definition(default: object) -> None:
    with pytest.raises(TypeError, match=r"Basket\.eggs has a mutable default"):

        @frame
        class Basket(DataFrame):
            eggs: Any = attrs.field(default=default)
