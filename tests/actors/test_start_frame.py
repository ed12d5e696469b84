"""What a session tells its actors first, however it was opened."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import trio

import antiphon
from antiphon import Actor, Delivery, Host, Observer, Pipeline, actor, on, open_session
from antiphon.channels import EndWorkerFrame, StartFrame
from antiphon.scenarios import play


@actor
class Ends(Actor):
    """Asks for the end at once."""

    @on(StartFrame)
    def end(self, frame: StartFrame) -> EndWorkerFrame:
        return EndWorkerFrame()


class Starts(Observer):
    """Keeps the StartFrame."""

    frame: StartFrame

    def delivered(self, delivery: Delivery) -> None:
        if isinstance(delivery.frame, StartFrame):
            self.frame = delivery.frame


def opened(**options: Any) -> None:
    async def main() -> None:
        async with open_session(Pipeline(Ends()), **options) as session:
            await session.wait()

    trio.run(main)


def opened_in_asyncio(**options: Any) -> None:
    async def main() -> None:
        async with antiphon.aio.open_session(Pipeline(Ends()), **options) as session:
            await session.wait()

    asyncio.run(main())


def hosted(**options: Any) -> None:
    async def main() -> None:
        async with Host() as host:
            session = await host.start(Pipeline(Ends()), **options)
            await session.wait()

    trio.run(main)


def ran(**options: Any) -> None:
    assert antiphon.run(Pipeline(Ends()), **options) == 0


def played(**options: Any) -> None:
    play(Pipeline(Ends()), [], **options)


@pytest.mark.parametrize("open_it", [opened, opened_in_asyncio, hosted, ran, played])
def test_what_is_to_be_measured_is_told_by_the_start_frame(open_it: Any) -> None:
    starts = Starts()
    open_it(observers=[starts], enable_metrics=True, enable_usage_metrics=True, report_only_initial_ttfb=True)
    assert starts.frame == StartFrame(enable_metrics=True, enable_usage_metrics=True, report_only_initial_ttfb=True)


@pytest.mark.parametrize("open_it", [opened, opened_in_asyncio, hosted, ran, played])
def test_nothing_is_measured_unless_somebody_wants_it(open_it: Any) -> None:
    starts = Starts()
    open_it(observers=[starts])
    assert starts.frame == StartFrame()
