"""One run as it is now: rounds, units, speed, and the time left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganns.config import StopConfig
from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.monitor.rows import best_distances
from ganns.monitor.settings import redact
from ganns.monitor.wording import ends_wording, incident_wording, person, run_wording
from ganns.store.samples import list_samples
from ganns.training.plan import ends, share_done

NUM_INCIDENTS = 3
NUM_RATES = 20
"""Speed is measured over this many rounds."""

OF_RUN = (
    "run",
    "name",
    "state",
    "version",
    "images",
    "num_images",
    "best_version",
    "went_back_at_version",
    "coordinated",
    "workers_alive",
    "wanted",
    "wanted_units",
)
"""Columns of the row that the message repeats unchanged."""


def look_at_run(conn: Connection, run_id: int) -> dict[str, Any] | None:
    """Return one run as it is now, or None if there is no such run.

    Returns:
        What `docs/reference/dashboard.md` lists under "run".
    """
    row = execute(conn, "watch_run", run_id=run_id).fetchone()
    if row is None:
        return None
    rounds = execute(conn, "watch_rounds", run_id=run_id).fetchall()
    units = execute(conn, "watch_units", run_id=run_id, rounds=[one["round"] for one in rounds]).fetchall()
    rates = execute(conn, "watch_rates", run_id=run_id, num=NUM_RATES + 1).fetchall()
    config, seconds = row["config"], rates[0]["seconds"] if rates else 0.0
    images_per_s, rounds_per_min = speed(rates)
    of_worker = execute(conn, "watch_worker_speed", run_id=run_id, first=row["version"] - NUM_RATES).fetchone()
    found = {
        **{key: row[key] for key in OF_RUN},
        **best_distances(row["best_metrics"]),
        "latest": latest_run(conn),
        "coordinator": person(row["coordinator"]),
        "wanted_by": person(row["asked_by"]) if row["wanted"] != "run" else "",
        "created_at": row["created_at"].timestamp(),
        "seconds": round(seconds, 2),
        "images_per_s": images_per_s,
        "rounds_per_min": rounds_per_min,
        "machines": worth(images_per_s, of_worker["images_per_s"] if of_worker else None),
        **remaining(config["stop"], row, seconds, rounds_per_min, images_per_s),
        "incidents": [
            {"number": one["number"], "at": one["at"].timestamp(), "text": incident_wording(one)}
            for one in execute(conn, "watch_incidents", run_id=run_id, num=NUM_INCIDENTS)
        ],
        "ends": ends_wording(config["stop"]),
        "quorum": config["quorum"],
        "config": redact(config),
        "samples": [one.version for one in list_samples(conn, run_id)],
        "rounds": [
            _rounded(one) | {"units": [_rounded(u) for u in units if u["round"] == one["round"]]} for one in rounds
        ],
    }
    return found | {"wording": run_wording(found)}


def latest_run(conn: Connection) -> int | None:
    """Return the newest open run, else the newest; None if there is none."""
    row = execute(conn, "latest_run").fetchone()
    return int(row["id"]) if row else None


def speed(rates: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """Return (images/s, rounds/min) over these rounds, newest first; None for a run of fewer than two rounds.

    The seconds are seconds of training: a pause does not count.
    """
    if len(rates) < 2 or rates[0]["seconds"] <= rates[-1]["seconds"]:
        return None, None
    seconds = rates[0]["seconds"] - rates[-1]["seconds"]
    images = rates[0]["images"] - rates[-1]["images"]
    return round(images / seconds, 1), round(60 * (len(rates) - 1) / seconds, 1)


def worth(images_per_s: float | None, of_worker: float | None) -> float | None:
    """Return how many machines the class is worth; None if a speed is not known.

    It is the class's images/s divided by those of its median worker while it computes. That number of such machines
    would compute the same if they never waited for one another, for a transfer or for the coordinator. It does not say
    how much a model learns from an image: docs/explain/strategies.md, "What a friend is worth".

    Args:
        images_per_s: of the class, over the last rounds.
        of_worker: images that the median worker of these rounds computes in a second of computing.
    """
    return round(images_per_s / of_worker, 1) if images_per_s and of_worker else None


def remaining(
    stop: Mapping[str, Any],
    run: Mapping[str, Any],
    seconds: float,
    rounds_per_min: float | None,
    images_per_s: float | None,
) -> dict[str, float | None]:
    """Return `done`, the fraction of the run, and `left_s`, seconds at this speed, for the end that comes first.

    Args:
        stop: the configuration's rounds, epochs and minutes; each is a number or None.
        run: `state`, `version`, `images` and `num_images`.
        seconds: of training so far.
        rounds_per_min: rounds in a minute of training.
        images_per_s: images in a second of training.
    """
    if run["state"] != "open":
        return {"done": 1.0, "left_s": 0.0}
    goals = StopConfig(**{key: stop.get(key) for key in ("rounds", "epochs", "minutes")})
    found = ends(goals, run["version"], run["images"], seconds, run["num_images"])
    rates = {"rounds": rounds_per_min and rounds_per_min / 60, "epochs": images_per_s, "minutes": 1.0}
    lefts = [(goal - done) / rate for name, (done, goal) in found.items() if (rate := rates[name])]
    return {"done": round(share_done(found), 4), "left_s": round(max(0.0, min(lefts)), 1) if lefts else None}


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()}
