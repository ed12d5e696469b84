"""pipecat's own environment, `.venv-pipecat`: made from pins with our interpreter, so both sides run on one Python."""

import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "pipecat_environment"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv-pipecat"
PINS = Path(__file__).resolve().parent / "constraints-pipecat.txt"


def pipecat_environment() -> Path:
    """The path of its interpreter; made, or made anew, if it isn't there or isn't of our Python or our pins."""
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / "made-from.txt"
    wanted = f"{sys.version}\n{PINS.read_text()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print("==> making pipecat's environment in .venv-pipecat (once, a minute)", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
    # Compiled at once, so that imports are measured as users have them.
    install = ["install", "-qq", "--disable-pip-version-check", "--compile", "-r", str(PINS)]
    subprocess.run([python, "-m", "pip", *install], check=True)
    stamp.write_text(wanted)
    return python
