"""What there is to see of runs and workers, read from the database for `ganns dashboard` and `ganns top`.

Nothing here is needed for training, and nothing here writes: connections become the role `ganns_viewer`.

    viewer.py     connections that may only look
    events.py     what the database says as it happens (NOTIFY on one channel)
    snapshot.py   one run, now: rounds, units, speed, time left
    history.py    one run, so far: a column a metric
    people.py     who contributed what
    topics.py     these as messages: what a new watcher gets, and what is new since then
    settings.py   in which settings runs differ;  sweeps.py  a sweep's points
    plain.py      times as numbers;  redact.py  what is nobody's business
    watcher.py    the thread that listens, looks again, and tells everybody who watches
"""
