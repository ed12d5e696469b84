"""The caller's clips: what is committed is what the script makes."""

from __future__ import annotations

import tomllib
import wave
from pathlib import Path

import pytest

from antiphon.demo import make_clips

MUMBLE = Path(__file__).parents[3] / "examples" / "mumble.wav"
TEXTS = tomllib.loads((make_clips.CLIPS / "clips.toml").read_text())
SOUNDS = [*(make_clips.CLIPS / f"{name}.wav" for name in TEXTS), MUMBLE]


def test_every_clip_has_its_text() -> None:
    assert {path.stem for path in make_clips.CLIPS.glob("*.wav")} == set(TEXTS)


@pytest.mark.parametrize("path", SOUNDS, ids=lambda path: path.stem)
def test_a_clip_is_mono_at_16_khz_with_16_bits(path: Path) -> None:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)


def test_the_clips_are_small_enough_for_a_repository() -> None:
    assert sum(path.stat().st_size for path in make_clips.CLIPS.glob("*.wav")) < 1_000_000
    assert MUMBLE.stat().st_size < 1_000_000


@pytest.mark.needs("flite")
def test_flite_makes_the_same_clips_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clips.toml").write_text((make_clips.CLIPS / "clips.toml").read_text())
    monkeypatch.setattr(make_clips, "CLIPS", tmp_path)
    monkeypatch.setattr(make_clips, "MUMBLE", tmp_path / "mumble.wav")
    assert make_clips.main() == 0
    changed = [path.name for path in SOUNDS if (tmp_path / path.name).read_bytes() != path.read_bytes()]
    assert not changed, f"python -m antiphon.demo.make_clips, and commit {', '.join(changed)}"
