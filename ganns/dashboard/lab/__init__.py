"""The failure lab (`ganns dashboard --failure-lab`): an instructor breaks things, and the class goes on.

    lab.py      what can be done, and what was done; all of it to workers that the lab itself started
    worker.py   one of these workers: its processes, and what is done to them
    proxy.py    the way from these workers to the database, which can be made long
    keeper.py   a process that ends them if the dashboard is killed
    harms.py    what each harm is, what should happen then, and which test holds that

It ends what it started together with the dashboard. Written for Linux; psutil stops and continues processes on macOS
and Windows, too, but nobody has tried it there.
"""
