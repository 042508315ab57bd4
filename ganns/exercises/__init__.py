"""Exercises for a course: what there is (`catalogue`), and how a learner's file is checked (`runner`).

A check is a module of `checks/`, with one function that looks at a file and says in words what is right, what is not,
and why. It runs in a process of its own, since a learner's program may crash, or never end.
"""
