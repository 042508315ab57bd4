"""A worker takes its next job when none runs, or when the only one just waits for its upload."""

from __future__ import annotations

import asyncio

from ganns.worker.turn import Turn


def test_one_computes_and_one_waits_and_there_is_no_third():
    running: list[int] = []
    turn = Turn(lambda: running)
    assert turn.is_free()
    running.append(1)
    assert not turn.is_free()
    turn.only_waits(1)
    assert turn.is_free()
    assert turn.waiting() == {1}
    running.append(2)
    assert not turn.is_free()
    turn.only_waits(2)
    assert not turn.is_free()
    running.remove(1)
    assert turn.is_free()
    assert turn.waiting() == {2}
    turn.only_waits(1)  # its word came late
    assert turn.waiting() == {2}
    running.append(1)  # the same job again, handed back and taken
    assert not turn.is_free()


def test_the_worker_that_waits_for_its_turn_wakes():
    running = [1]
    turn = Turn(lambda: running)

    async def take_two() -> None:
        first = asyncio.create_task(turn.acquire())
        await asyncio.sleep(0)
        assert not first.done()
        turn.only_waits(1)
        assert await first
        running.append(2)
        second = asyncio.create_task(turn.acquire())
        await asyncio.sleep(0)
        running.remove(1)
        turn.release()
        await asyncio.sleep(0)
        assert not second.done()
        running.clear()
        turn.release()
        assert await second

    asyncio.run(asyncio.wait_for(take_two(), 60))
