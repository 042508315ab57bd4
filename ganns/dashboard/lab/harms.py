"""What can be done to the class, what should happen then, and which tests hold it (docs/explain/faults.md)."""

from __future__ import annotations

from typing import NamedTuple


class Harm(NamedTuple):
    """Something to do in the lab."""

    title: str
    button: str
    text: str
    """What is done, before it is done."""
    then: str
    """What should happen now."""
    tests: tuple[str, ...]


HARMS = {
    "kill": Harm(
        "Kill a third",
        "Kill a third of them",
        "kill -9, as if their machines lost power. Nothing is said to anybody.",
        "After 15 s without a heartbeat their units are queued again, and others compute them. With spares, the round "
        "may close before.",
        ("test_a_dead_workers_unit_runs_elsewhere", "test_silent_workers_are_rescued_and_slow_ones_are_not"),
    ),
    "stop": Harm(
        "Close a lid",
        "Stop one",
        "SIGSTOP: it holds its unit and its connections, and does nothing, like a laptop that sleeps.",
        "Its unit is queued again after 15 s, and runs elsewhere.",
        (
            "test_a_worker_stopped_for_longer_than_the_stall_time",
            "test_a_sleeper_finishes_a_job_that_another_is_running",
        ),
    ),
    "continue": Harm(
        "Open it again",
        "Let it go on",
        "SIGCONT to the one that was stopped.",
        "It finds itself late: a result that another has delivered is not counted twice. Then it works as before.",
        ("test_a_closed_lid", "test_a_sleeper_finishes_a_job_that_was_requeued"),
    ),
    "slow": Harm(
        "Slow two down",
        "Slow two down",
        "SIGSTOP and SIGCONT in turn: of each half second, they run a tenth. Their heartbeats go on.",
        "Who is slow but alive keeps its unit: nothing is queued again. Spares close the round without the slowest, "
        "and its result is recorded as late.",
        (
            "test_silent_workers_are_rescued_and_slow_ones_are_not",
            "test_spares_close_a_round_without_the_slowest_and_no_image_is_lost",
        ),
    ),
    "fast": Harm(
        "Full speed",
        "Full speed again",
        "The two run all the time again.",
        "Rounds are as fast as before.",
        ("test_the_class_survives_the_lab",),
    ),
    "latency": Harm(
        "A long way",
        "Set the delay",
        "Every byte between these workers and the database is so many milliseconds later, in each direction.",
        "Units wait longer for the network, and rounds take longer. Nothing fails, nothing is queued again.",
        ("test_a_delay_lies_between_the_workers_and_the_database",),
    ),
    "restart": Harm(
        "Restart the database",
        "Restart PostgreSQL",
        "The embedded server stops, ending every connection, and starts again.",
        "Everybody connects again, coordinator, workers and this page, and the open round goes on.",
        ("test_the_server_is_restarted", "test_the_coordinator_outlives_the_server"),
    ),
}
