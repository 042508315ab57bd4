"""With a login for each student, credit is the student's: all devices together, whatever the workers are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganns.config import StopConfig
from ganns.db.connect import Connection
from ganns.db.protocol import require_protocol
from ganns.store.credit import Selection, find_person, issue, list_people, recompute
from tests.support.fakes import solo_digest, tiny
from tests.support.students import Student, StudentWorker


def test_two_devices_of_a_student_are_one_person(
    coordinate: Any, enrol: Callable[..., Student], conn: Connection
) -> None:
    ada = enrol("Ada Lovelace")
    laptop, desktop = StudentWorker(ada.address, "laptop"), StudentWorker(ada.address, "desktop")
    assert require_protocol(laptop.conn) is None  # before it has registered, and with a student's rights alone
    config = tiny(stop=StopConfig(rounds=4))
    coordinator = coordinate(config)
    while not coordinator.done:
        laptop.work()
        desktop.work()
    coordinator.join()
    assert coordinator.digest == solo_digest(config)
    (person,) = list_people(conn, Selection())
    assert (person.person, person.login) == ("Ada Lovelace", ada.login)
    assert person.workers == ["Ada Lovelace: desktop", "Ada Lovelace: laptop"]
    assert (person.total("units"), person.total("images")) == (8, 64)
    assert person.uptime_s > 0
    assert find_person(conn, ada.login, Selection()).person == person.person
    issued = issue(conn, person, Selection())
    assert (issued.login, issued.images) == (ada.login, 64)
    assert recompute(conn, issued) == issued
    for one in (laptop, desktop):
        one.conn.close()
