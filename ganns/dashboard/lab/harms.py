"""The harms of the failure lab, their expected effects, and the tests of them (docs/explain/faults.md)."""

from __future__ import annotations

from typing import NamedTuple


class Harm(NamedTuple):
    """A harm that the instructor can do."""

    title: str
    button: str
    text: str
    """A description for the button."""
    then: str
    """The expected effect."""
    tests: tuple[str, ...]
    is_harm: bool = True
    """False for what repairs a harm."""


HARMS = {
    "kill": Harm(
        "Kill a third",
        "Kill a third of them",
        "kill -9, as if their machines lost power. They close no connection and send no message.",
        "After 15 s without a heartbeat, their units are queued again, and other workers compute them. With spares, "
        "the round may close earlier.",
        ("test_a_dead_workers_unit_runs_elsewhere", "test_silent_workers_are_rescued_and_slow_ones_are_not"),
    ),
    "stop": Harm(
        "Close a lid",
        "Stop one",
        "SIGSTOP: the worker keeps its unit and its connections, and does nothing, like a sleeping laptop.",
        "Its unit is queued again after 15 s, and another worker computes it.",
        (
            "test_a_worker_process_that_is_stopped",
            "test_a_sleeper_finishes_a_job_that_another_is_running",
        ),
    ),
    "continue": Harm(
        "Open it again",
        "Continue it",
        "SIGCONT to the stopped worker.",
        "It is late: a result that another worker has submitted is not counted twice. Then it works as before.",
        ("test_a_closed_lid", "test_a_sleeper_finishes_a_job_that_was_requeued"),
        is_harm=False,
    ),
    "slow": Harm(
        "Slow two down",
        "Slow two down",
        "SIGSTOP and SIGCONT in turn: two workers run for a tenth of the time. They still send heartbeats.",
        "A slow worker keeps its unit, so nothing is queued again. Spares close the round without the slowest worker, "
        "and its result is recorded as late.",
        (
            "test_silent_workers_are_rescued_and_slow_ones_are_not",
            "test_spares_close_a_round_without_the_slowest_and_no_image_is_lost",
        ),
    ),
    "fast": Harm(
        "Full speed",
        "Full speed again",
        "Both workers run all the time again.",
        "Rounds are as fast as before.",
        ("test_the_class_survives_the_lab",),
        is_harm=False,
    ),
    "latency": Harm(
        "A slow network",
        "Set the delay",
        "Every byte between these workers and the database is delayed by this time, in each direction.",
        "Units wait longer for the network, and rounds take longer. Nothing fails, nothing is queued again.",
        ("test_a_delay_lies_between_the_workers_and_the_database",),
    ),
    "restart": Harm(
        "Restart the database",
        "Restart PostgreSQL",
        "The embedded server stops, which ends every connection, and starts again.",
        "The coordinator, the workers and this page connect again, and the open round continues.",
        ("test_the_server_is_restarted", "test_the_coordinator_outlives_the_server"),
    ),
}
