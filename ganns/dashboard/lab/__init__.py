"""The failure lab (`ganns dashboard --failure-lab`): an instructor breaks things, and the training continues.

    actions.py      the actions of the lab; they affect only workers that the lab started
    worker.py       one of these workers, with its processes
    proxy.py        a proxy between these workers and the database, which can add a delay
    keeper.py       a process that ends the workers if the dashboard is killed
    harms.py        each harm, its expected effect, and the tests of it
    votes.py        what the class expects of a harm
    predictions.py  asks the class, watches the run during the harm, and says what happened
    outcome.py      what was observed, beside what was expected
    quiz.py         votes that ended, as questions of a quiz

The lab ends its workers together with the dashboard. It was written for Linux. psutil stops and continues processes on
macOS and Windows too, but this was never tested there.
"""
