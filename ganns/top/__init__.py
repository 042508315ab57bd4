"""`ganns top`: what the dashboard shows, in the essentials, for a terminal.

view.py      what is known, from the messages of `ganns.monitor.topics`
words.py     states, events and numbers as people read them
charts.py    a curve of characters
screen.py    what is known as something that rich prints, in whatever space there is
terminal.py  the keys, and the loop that keeps the screen up to date
"""
