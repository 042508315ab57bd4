"""Read runs and workers from the database for `ganns dashboard` and `ganns top`.

Training needs nothing of this, and nothing here writes: connections become the role `ganns_viewer`.

    viewer.py     connections that may only read
    events.py     events that the database announces (NOTIFY on one channel)
    snapshot.py   one run now: rounds, units, speed, time left
    history.py    the past rounds of one run, one column for each metric
    people.py     the contribution of each person
    topics.py     the same as messages: the full state for a new watcher, changes afterwards
    wording.py    the words that a run's state is shown with
    settings.py   the settings in which runs differ;  sweeps.py  a sweep's points
    plain.py      times as numbers;  redact.py  hides logins and folders in settings
    watcher.py    the thread that listens, reads again, and sends messages to all watchers
"""
