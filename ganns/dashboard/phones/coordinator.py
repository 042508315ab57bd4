"""Hand out units to the phones, and close rounds: the coordinator of the phones' GAN.

All that counts is in PostgreSQL (`ganns.store.phones`): a dashboard that is started again goes on where it was. Here
are only the phones that are connected, and a copy of the newest version for messages. The dashboard's event loop uses
it; the database is asked on threads.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from ganns.dashboard.phones import network
from ganns.dashboard.phones.messages import Hello, Result
from ganns.dashboard.phones.network import RECIPES, State
from ganns.db.address import Address
from ganns.db.connect import OPTIONS, Connection, settle
from ganns.errors import DatabaseUnreachable
from ganns.store import phones as store
from ganns.store.phones import Held, Now, Stored, Version

P = ParamSpec("P")
T = TypeVar("T")

NO_DATABASE = (psycopg.Error, PoolTimeout, DatabaseUnreachable)
MAX_PHONES = 64
MAX_ROUNDS = 5_000
"""Then a new run begins by itself, so that the tables stay small."""
SHORTEST_ROUND_S = 0.25
"""No round is closed sooner: it bounds what phones, however fast, can make the database do."""
POLL_S = 1.0
"""The rows are looked at this often, also when nothing has woken the coordinator: another dashboard may have closed."""
TOGETHER_S = 0.02
"""Results that arrive within this time are looked at together."""
RECOUNT_S = 2.0
FIRST_RECIPE, FIRST_WAIT = "penalty", 80
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Phone:
    """A phone that is connected, with the secret by which its browser is known again."""

    id: int
    name: str
    key: str
    held: Held | None = None
    since: float = 0.0  # when it got the unit, by this machine's clock
    arrow: list[float] = field(default_factory=list)
    late: bool = False  # its last result was


@dataclass(frozen=True)
class Work:
    """Holds the inputs of a phone's unit: the recipe's name, and the weights of the unit's version."""

    held: Held
    recipe: str
    weights: bytes


class Coordinator:
    """The coordinator, and the phones that are connected."""

    def __init__(self, address: Address) -> None:
        """Prepare; `open` connects."""
        self.phones: dict[int, Phone] = {}
        self.now: Now | None = None
        self.state = network.begin(0)
        self.of_run, self.version = 0, -1  # whose state that is: nobody's yet
        self.losses: list[float] = []
        self.credit: dict[int, tuple[int, int]] = {}
        self.trouble = ""
        self.opened = asyncio.Event()  # set when a round is opened, and replaced by a new one
        self.changed = asyncio.Event()  # set when there is something new to show, and replaced
        self._wake = asyncio.Event()
        self._closings: deque[float] = deque(maxlen=21)
        self._counted_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            address.conninfo,
            kwargs={"autocommit": True, "application_name": "ganns dashboard: phones", **OPTIONS},
            configure=settle,
            min_size=0,
            max_size=4,
            timeout=5,
            open=False,
        )

    async def open(self) -> None:
        """Begin to hand out units."""
        self._pool.open()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what phones hold is given to others by the next dashboard."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await asyncio.to_thread(self._pool.close, 2)

    # -------------------------------------------------------------------------------------------- for the phones

    async def join(self, hello: Hello) -> Phone | None:
        """Add a phone, with its number of before if it is known; None if there are too many.

        Raises:
            psycopg.Error: the database does not answer; so do the other methods.
        """
        if len(self.phones) >= MAX_PHONES:
            return None
        name, key = hello.name or "a phone", hello.key
        number = await self._ask(store.join, key, name, known=True) if key else None
        if number is None or number in self.phones:  # a second page of the same browser is a phone of its own
            key = secrets.token_urlsafe(16)
            number = await self._ask(store.join, key, name, known=False)
        if number is None or len(self.phones) >= MAX_PHONES:
            return None
        self.phones[number] = Phone(number, hello.name or f"phone {number}", key)
        self._show()
        return self.phones[number]

    async def leave(self, phone: Phone) -> None:
        """Forget a phone, and take its unit back."""
        if self.phones.get(phone.id) is phone:
            del self.phones[phone.id]
        self._show()
        if phone.held is not None:
            held, phone.held = phone.held, None
            with suppress(*NO_DATABASE):  # then the unit is given on after HOLD_S
                await self._ask(store.release, held)
                self._open_up()

    async def claim(self, phone: Phone) -> Work | None:
        """Give a phone a unit, if one is free."""
        now = self.now
        if now is None:
            return None
        held = await self._ask(store.claim, now.run, phone.id)
        if held is None:
            return None
        phone.held, phone.since = held, monotonic()
        weights: bytes | None = self.state.weights.tobytes()
        if (held.run, held.round) != (self.of_run, self.version):  # a round was closed at this moment
            weights = await self._ask(store.weights_of, held.run, held.round)
        if weights is None:  # the run was deleted
            phone.held = None
            return None
        self._show()
        return Work(held, now.recipe, weights)

    async def submit(self, phone: Phone, result: Result) -> bool:
        """Store the result of the unit that a phone holds; return whether it was in time."""
        held, phone.held = phone.held, None
        assert held is not None
        content = result.gradient.tobytes()
        in_time = await self._ask(store.submit, held, phone.id, content, result.loss_d, result.loss_g)
        phone.late = not in_time
        phone.arrow = network.arrow(self.state.weights, result.gradient, phone.id)
        self._wake.set()
        return in_time

    # -------------------------------------------------------------------------------------- for the instructor

    async def begin(self, recipe: str) -> None:
        """End the run and begin another one, from new weights."""
        seed = secrets.randbelow(2**31)
        first = _to_version(0, network.begin(seed))
        wait = self.now.wait_percent if self.now else FIRST_WAIT
        await self._ask(store.begin_run, recipe, seed, wait, first)
        self._wake.set()

    async def wait_for(self, percent: int) -> None:
        """Close rounds with this share of their units' results, from the next round on."""
        if self.now is not None:
            await self._ask(store.set_wait, self.now.run, percent)
            self._wake.set()

    # ---------------------------------------------------------------------------------------------- the rounds

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
                self.trouble = ""
            except NO_DATABASE as error:
                self.trouble = "The database does not answer; the rounds go on when it is back."
                log.warning("The phones' rounds wait: %s", type(error).__name__)
                await asyncio.sleep(POLL_S)
            self._show()
            # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with the event.
            waking = asyncio.create_task(self._wake.wait())
            try:
                await asyncio.wait({waking}, timeout=POLL_S)
            finally:
                waking.cancel()
            await asyncio.sleep(TOGETHER_S)
            self._wake.clear()

    async def _look(self) -> None:
        """Look at the rows, and do what they need: begin a run, open a round, close one."""
        now = await self._ask(store.look)
        if now is None or now.version >= MAX_ROUNDS or now.recipe not in RECIPES:
            await self.begin(now.recipe if now and now.recipe in RECIPES else FIRST_RECIPE)
            return
        if (now.run, now.version) != (self.of_run, self.version):
            await self._load(now)
        self.now = now
        if now.round is None:
            await self._ask(store.open_round, now.run, now.version, *self._next(now, now.version))
            self._open_up()
            self._wake.set()
        elif now.results >= now.quorum:
            await asyncio.sleep(max(0.0, SHORTEST_ROUND_S - now.open_s))
            closed = await self._ask(store.close_round, now, _next_version(now), *self._next(now, now.round + 1))
            if closed is not None:
                self._take(*closed)
            self._wake.set()
        if monotonic() - self._counted_at > RECOUNT_S:
            self._counted_at = monotonic()
            self.credit = await self._ask(store.credit, now.run)

    def _next(self, now: Now, round_: int) -> tuple[int, list[int]]:
        """Return the quorum and the seeds of a round: a unit for each phone that is here."""
        units = max(1, len(self.phones))
        quorum = max(1, -(-units * now.wait_percent // 100))
        return quorum, [network.unit_seed(now.seed, round_, unit) for unit in range(units)]

    def _take(self, version: Version, accepted: list[Stored]) -> None:
        self.state, self.version = State.from_bytes(version.weights, version.moments), version.version
        self.losses = [sum(one.loss_d for one in accepted) / len(accepted)]
        self.losses.append(sum(one.loss_g for one in accepted) / len(accepted))
        self._closings.append(monotonic())
        self._open_up()

    async def _load(self, now: Now) -> None:
        found = await self._ask(store.newest_version, now.run)
        if found is not None:
            self.state = State.from_bytes(found.weights, found.moments)
            self.of_run, self.version = now.run, found.version
            self.losses, self._counted_at = [], 0.0
            self._closings.clear()

    @property
    def rounds_per_s(self) -> float:
        """The speed of the last twenty rounds; 0 where none was closed in the last ten seconds."""
        times = self._closings
        if len(times) < 2 or monotonic() - times[-1] > 10:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-3)

    def _open_up(self) -> None:
        """Let the phones that wait for a unit try again."""
        self.opened.set()
        self.opened = asyncio.Event()
        self._show()

    def _show(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def _ask(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def ask() -> T:
            with self._pool.connection() as conn:
                return question(conn, *args, **kwargs)

        return await asyncio.to_thread(ask)


def _to_version(number: int, state: State) -> Version:
    return Version(number, state.weights.tobytes(), state.moments.tobytes(), state.digest())


def _next_version(now: Now) -> Callable[[Version, list[Stored]], Version]:
    """Return the function that makes a version of the one before and the accepted results."""

    def step(before: Version, accepted: list[Stored]) -> Version:
        gradients = [network.from_bytes(one.gradient) for one in accepted]
        state = State.from_bytes(before.weights, before.moments)
        after = network.step(state, gradients, before.version, RECIPES[now.recipe])
        return _to_version(before.version + 1, after)

    return step
