"""Imports of pipecat: its runtime, and its own bot without a network (VAD, turns, context pair, WebSocket transport,
an OpenAI service)."""

from ..setting import Setting
from . import milliseconds

__all__ = ["measure"]

RUNTIME = (
    "from pipecat.pipeline.pipeline import Pipeline",
    "from pipecat.pipeline.worker import PipelineWorker",
    "from pipecat.processors.frame_processor import FrameProcessor",
    "from pipecat.workers.runner import WorkerRunner",
)
BOT = (
    *RUNTIME,
    "from pipecat.audio.vad.silero import SileroVADAnalyzer",
    "from pipecat.processors.aggregators.llm_context import LLMContext",
    "from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair",
    "from pipecat.services.openai.llm import OpenAILLMService",
    "from pipecat.transports.websocket.server import WebsocketServerTransport",
)


async def measure(setting: Setting) -> dict[str, float]:
    """Milliseconds."""
    return {"runtime": milliseconds("; ".join(RUNTIME)), "bot": milliseconds("; ".join(BOT))}
