"""The parameters of voice activity detection."""

from typing import Any

import pytest

from antiphon.channels import VADParams


def test_the_defaults_are_those_of_the_rules() -> None:
    params = VADParams()
    assert (params.confidence, params.start_secs, params.stop_secs, params.min_volume) == (0.7, 0.2, 0.2, 0.6)


@pytest.mark.rule("C13")
def test_aliases_stand_for_the_parameters() -> None:
    by_alias = VADParams(threshold=0.5, min_speech_duration_ms=250, min_silence_duration_ms=500)
    assert by_alias == VADParams(confidence=0.5, start_secs=0.25, stop_secs=0.5)


def test_a_parameter_and_its_alias_together_are_refused() -> None:
    with pytest.raises(TypeError, match="both confidence and its alias threshold"):
        VADParams(confidence=0.5, threshold=0.5)


@pytest.mark.parametrize("bad", [{"confidence": 1.1}, {"min_volume": -0.1}, {"start_secs": -1}, {"stop_secs": -0.01}])
def test_a_value_out_of_range_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        VADParams(**bad)
