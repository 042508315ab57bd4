"""Exercises for a course: the list of them (`catalogue`), and the check of a learner's file (`runner`).

A check is a module of `checks/`. Its function examines a file and says in words which parts are right, which are wrong,
and why. It runs in a separate process (`child`), because a learner's program may crash or never end.

`microscope` plays transactions on real sessions, and looks for an order of their statements that breaks a promise.
"""
