"""The transaction microscope: a few real sessions of a real PostgreSQL, statement by statement, drawn as lanes.

scene.py      a scene, from a file of SQL with comments: sessions, steps, and a promise
statements.py SQL as single statements
schedule.py   who goes next: orders of steps, and the search for the shortest order that breaks a promise
recording.py  a played order, as data: moments, answers, snapshots, locks, rows
session.py    one connection whose statement may have to wait
director.py   the session off the stage: tables, the server's view of the others, the promise
player.py     play one order on real sessions, and record it
search.py     play all orders, the simplest first
scratch.py    a database of its own for the scenes
library.py    recordings in files
lanes.py      the place of every moment in its lane, and its words
svg.py        lanes as a picture
terminal.py   lanes as text
"""
