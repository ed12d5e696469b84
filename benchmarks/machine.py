"""What the numbers were measured on. No names of hosts, no paths."""

import platform
import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path

__all__ = ["describe_machine"]


def describe_machine(pipecat_python: Path | None) -> dict[str, str]:
    """A line for each thing that a reader must know to judge the numbers."""
    described = {
        "processor": processor(),
        "cores": str(len(cpus())),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, {build()}",
        "trio": version("trio"),
        "attrs": version("attrs"),
    }
    if pipecat_python is not None:
        described |= {name: foreign_version(pipecat_python, name) for name in ("pipecat-ai", "uvloop")}
    return described


def cpus() -> list[str]:
    return [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")]


def processor() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0].split(":", 1)[1].strip() if models else platform.machine()


def build() -> str:
    """An interpreter that was built without the profile is a third slower, in all columns."""
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return "built with profile-guided optimisation" if optimised else "built without profile-guided optimisation"


def foreign_version(python: Path, name: str) -> str:
    code = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    return subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
